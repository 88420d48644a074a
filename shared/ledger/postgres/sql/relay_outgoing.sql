-- The next committed messages to publish: older than every open transaction; at most $1 rows, and
-- no more than the first that brings them to $2 bytes, so that large dead letters fit in memory.
WITH next AS (
    SELECT
        outgoing.xid, outgoing.position, relay.xid AS from_xid, relay.position AS from_position,
        topic, key, value, headers
    FROM book.outgoing, book.relay
    WHERE relay.stream = 'outgoing'
        AND (outgoing.xid, outgoing.position) > (relay.xid, relay.position)
        AND outgoing.xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY outgoing.xid, outgoing.position
    LIMIT $1
),
counted AS (
    SELECT
        *,
        sum(coalesce(octet_length(value), 0) + octet_length(headers)) OVER before AS bytes_before
    FROM next
    WINDOW before AS (
        ORDER BY xid, position
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
)
SELECT
    xid::text::bigint AS xid, position, from_xid::text::bigint AS from_xid, from_position,
    topic, key, value, headers
FROM counted
WHERE coalesce(bytes_before, 0) < $2
ORDER BY counted.xid, counted.position;
