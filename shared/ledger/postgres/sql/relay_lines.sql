-- The next committed lines of some buckets, each after its bucket's cursor, at most $3 per bucket, in
-- the order of positions, which within a bucket is commit order.
SELECT
    line.bucket,
    line.position,
    (
        SELECT coalesce(max(number), 1) FROM book.incarnation
        WHERE incarnation.line_position < line.position
    ) AS incarnation,
    :line_columns(line)
FROM unnest($1::smallint[], $2::bigint[]) AS relay (bucket, position)
CROSS JOIN LATERAL (
    SELECT * FROM book.line
    WHERE line.bucket = relay.bucket AND line.position > relay.position
    ORDER BY line.position
    LIMIT $3
) AS line
ORDER BY line.bucket, line.position;
