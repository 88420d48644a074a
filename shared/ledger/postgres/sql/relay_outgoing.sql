-- The next committed outgoing rows of some buckets, each after its bucket's cursor: at most $3 per bucket.
-- The total ends with the row that brings it to $4 bytes, so that large dead letters fit in memory.
WITH next AS (
    SELECT outgoing.*
    FROM unnest($1::smallint[], $2::bigint[]) AS relay (bucket, position)
    CROSS JOIN LATERAL (
        SELECT * FROM book.outgoing
        WHERE outgoing.bucket = relay.bucket AND outgoing.position > relay.position
        ORDER BY outgoing.position
        LIMIT $3
    ) AS outgoing
),
counted AS (
    SELECT
        *,
        sum(coalesce(octet_length(value), 0) + octet_length(headers)) OVER before AS bytes_before
    FROM next
    WINDOW before AS (
        ORDER BY bucket, position
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
)
SELECT bucket, position, topic, key, value, headers
FROM counted
WHERE coalesce(bytes_before, 0) < $4
ORDER BY bucket, position;
