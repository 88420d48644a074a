-- Lets the texts that wait never go.
UPDATE book.notice SET status = 'discarded' WHERE status = 'held' RETURNING notice_id;
