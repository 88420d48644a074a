-- The buckets in which lines have not been looked at for documents, each with its cursor and the position of
-- the last line to look at now, at most $1 lines per bucket (null: all); and the newest policy version. It
-- reads one index entry for each bucket where nothing waits.
SELECT
    numbered.bucket,
    numbered.position AS after,
    next.upto,
    (SELECT max(version) FROM book.policy) AS policy_version
FROM book.numbered
CROSS JOIN LATERAL (
    SELECT max(position) AS upto
    FROM (
        SELECT line.position FROM book.line
        WHERE line.bucket = numbered.bucket AND line.position > numbered.position
        ORDER BY line.position
        LIMIT $1
    ) AS line
) AS next
WHERE next.upto IS NOT NULL
ORDER BY numbered.bucket;
