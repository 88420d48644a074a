-- Every bucket, and whether the check that begins now reads it whole: where that was never done, and
-- of the others the $1-th part of all, those that were read longest ago.
SELECT
    bucket,
    read_at IS NULL
        OR row_number() OVER (ORDER BY read_at NULLS LAST, bucket)
            <= (count(*) OVER () + $1::integer - 1) / $1 AS whole
FROM book.checked
ORDER BY bucket;
