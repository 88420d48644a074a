-- Locks all buckets, or those of the topics' partition $1, in ascending order.
SELECT book.lock(ARRAY(
    SELECT 'bucket_' || bucket
    FROM book.fleet
    CROSS JOIN generate_series(0, fleet.buckets - 1) AS bucket
    WHERE $1::integer IS NULL OR bucket % fleet.partitions = $1
    ORDER BY bucket
));
