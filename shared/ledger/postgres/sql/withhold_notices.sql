-- Holds the notices that the relay has not published yet. It locks the relay's cursors over notices, so
-- that none of them is being published.
UPDATE book.notice SET status = 'held', position = NULL
FROM (SELECT bucket, position FROM book.relay WHERE stream = 'notice' FOR UPDATE) AS relay
WHERE notice.bucket = relay.bucket AND notice.position > relay.position
    AND notice.status = 'requested';
