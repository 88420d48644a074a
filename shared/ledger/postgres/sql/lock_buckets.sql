-- Locks the buckets of a batch in the order given (sorted), before anything is read or written. So
-- within a bucket positions are assigned in commit order.
SELECT book.lock(ARRAY(
    SELECT 'bucket_' || bucket FROM unnest($1::integer[]) WITH ORDINALITY AS b (bucket, place)
    ORDER BY place
));
