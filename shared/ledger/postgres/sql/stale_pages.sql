-- Pages that were sent some time ago and have not moved since: they are sent again. Pages whose
-- `sent_at` lies in the future, because a clock was wrong, are sent again too.
UPDATE book.page SET sent_at = clock_timestamp()
WHERE finished_at IS NULL
    AND sent_at NOT BETWEEN clock_timestamp() - make_interval(secs => $1) AND clock_timestamp()
RETURNING tick_id, number;
