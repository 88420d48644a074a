-- Locks the buckets of a batch, in the order given (sorted), before anything is read or written: so
-- what is written in a bucket gets its position in the order of commits.
SELECT book.lock(ARRAY(
    SELECT 'bucket_' || bucket FROM unnest($1::integer[]) WITH ORDINALITY AS b (bucket, place)
    ORDER BY place
));
