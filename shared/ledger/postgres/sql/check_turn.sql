-- Every bucket, and whether the check that begins now reads all of its customers. It does so in buckets
-- that were never read, and in the 1/$1 of all buckets whose last full read is oldest.
SELECT
    bucket,
    read_at IS NULL
        OR row_number() OVER (ORDER BY read_at NULLS LAST, bucket)
            <= (count(*) OVER () + $1::integer - 1) / $1 AS whole
FROM book.checked
ORDER BY bucket;
