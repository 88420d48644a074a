-- Discards the held notices: they are never sent.
UPDATE book.notice SET status = 'discarded' WHERE status = 'held' RETURNING notice_id;
