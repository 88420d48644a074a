-- What is left to do until the fleet has settled, as of one instant: the consumers' positions, the
-- unfinished runs, and per stream and bucket the last row and the relay's cursor;
-- per bucket how far lines have their documents.
SELECT
    ARRAY(
        SELECT (consumer, topic, partition, next_offset) FROM book.position
    ) AS positions,
    ARRAY(SELECT tick_id FROM book.run WHERE finished_at IS NULL) AS runs,
    ARRAY(
        SELECT (stream, bucket, position, CASE stream
            WHEN 'line' THEN (
                SELECT line.position FROM book.line
                WHERE line.bucket = relay.bucket
                ORDER BY line.position DESC
                LIMIT 1
            )
            WHEN 'outgoing' THEN (
                SELECT outgoing.position FROM book.outgoing
                WHERE outgoing.bucket = relay.bucket
                ORDER BY outgoing.position DESC
                LIMIT 1
            )
            WHEN 'notice' THEN (
                SELECT notice.position FROM book.notice
                WHERE notice.bucket = relay.bucket AND notice.position IS NOT NULL
                ORDER BY notice.position DESC
                LIMIT 1
            )
            ELSE (
                SELECT entitlement.position FROM book.entitlement
                WHERE entitlement.bucket = relay.bucket
                ORDER BY entitlement.position DESC
                LIMIT 1
            )
        END)
        FROM book.relay
    ) AS relayed,
    ARRAY(SELECT (bucket, position) FROM book.numbered) AS numbered;
