-- Locks the buckets of a batch, in the order given (sorted), before any row is touched: a
-- transaction gets its xid only after its locks, so (xid, position) agrees with seq.
SELECT book.lock(ARRAY(
    SELECT 'bucket_' || bucket FROM unnest($1::integer[]) WITH ORDINALITY AS b (bucket, place)
    ORDER BY place
));
