-- Locks all buckets in ascending order, or only those of partition $1.
SELECT book.lock(ARRAY(
    SELECT 'bucket_' || bucket
    FROM book.fleet
    CROSS JOIN generate_series(0, fleet.buckets - 1) AS bucket
    WHERE $1::integer IS NULL OR bucket % fleet.partitions = $1
    ORDER BY bucket
));
