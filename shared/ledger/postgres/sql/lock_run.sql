-- Locks a run, so that when two pages end at once, the second sees that the first is done.
SELECT tick_id FROM book.run WHERE tick_id = $1 FOR NO KEY UPDATE;
