-- Lets texts wait that are on their way to the relay. It holds the relay's cursors over notices,
-- so none of them is being published.
UPDATE book.notice SET status = 'held', position = NULL
FROM (SELECT bucket, position FROM book.relay WHERE stream = 'notice' FOR UPDATE) AS relay
WHERE notice.bucket = relay.bucket AND notice.position > relay.position
    AND notice.status = 'requested';
