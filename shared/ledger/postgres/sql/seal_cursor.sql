-- Up to where a seal made now would cover: for each bucket (element bucket + 1) the position of the last
-- committed line, outcome and conflicting duplicate. Later rows of a bucket get higher positions.
SELECT
    clock_timestamp() AS sealed_at,
    ARRAY(
        SELECT coalesce((
            SELECT position FROM book.line
            WHERE line.bucket = of.bucket ORDER BY position DESC LIMIT 1
        ), 0)
        FROM generate_series(0, fleet.buckets - 1) AS of (bucket) ORDER BY of.bucket
    ) AS lines_upto,
    ARRAY(
        SELECT coalesce((
            SELECT position FROM book.command
            WHERE command.bucket = of.bucket ORDER BY position DESC LIMIT 1
        ), 0)
        FROM generate_series(0, fleet.buckets - 1) AS of (bucket) ORDER BY of.bucket
    ) AS commands_upto,
    ARRAY(
        SELECT coalesce((
            SELECT position FROM book.conflict
            WHERE conflict.bucket = of.bucket ORDER BY position DESC LIMIT 1
        ), 0)
        FROM generate_series(0, fleet.buckets - 1) AS of (bucket) ORDER BY of.bucket
    ) AS conflicts_upto,
    (SELECT coalesce(max(version), 0) FROM book.policy) AS policies
FROM book.fleet;
