-- Whether the run of a tick is done; null before there is one.
SELECT finished_at IS NOT NULL FROM book.run WHERE tick_id = $1;
