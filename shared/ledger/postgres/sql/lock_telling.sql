-- Serialises the batches that notify customers of a bucket, so that positions of notices and
-- entitlements are assigned in commit order. Buckets are sorted, and locked before anything is read or
-- written, as in lock_buckets.sql. Writers of lines are not blocked.
SELECT book.lock(ARRAY(
    SELECT 'telling_' || bucket FROM unnest($1::integer[]) WITH ORDINALITY AS b (bucket, place)
    ORDER BY place
));
