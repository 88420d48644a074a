-- The streams and buckets in which rows wait to be published. It reads one index entry for each, however
-- much was published before.
SELECT stream, bucket
FROM book.relay
WHERE CASE stream
    WHEN 'line' THEN EXISTS (
        SELECT FROM book.line
        WHERE line.bucket = relay.bucket AND line.position > relay.position
    )
    WHEN 'outgoing' THEN EXISTS (
        SELECT FROM book.outgoing
        WHERE outgoing.bucket = relay.bucket AND outgoing.position > relay.position
    )
    WHEN 'notice' THEN EXISTS (
        SELECT FROM book.notice
        WHERE notice.bucket = relay.bucket AND notice.position > relay.position
    )
    ELSE EXISTS (
        SELECT FROM book.entitlement
        WHERE entitlement.bucket = relay.bucket AND entitlement.position > relay.position
    )
END;
