-- Locks the buckets of a batch, in the order given (sorted), before any row is touched: a
-- transaction gets its xid only after its locks, so (xid, position) agrees with seq.
SELECT pg_advisory_xact_lock(7283, bucket) FROM unnest($1::integer[]) AS bucket;
