-- Locks a run, so that of two pages that end at once the second sees the first.
SELECT tick_id FROM book.run WHERE tick_id = $1 FOR NO KEY UPDATE;
