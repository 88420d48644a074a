-- Lets one batch at a time tell the customers of a bucket, so that what they are told leaves in
-- order; sorted, and before anything is written, like lock_buckets.sql. Writers of lines go on.
SELECT book.lock(ARRAY(
    SELECT 'telling_' || bucket
    FROM (SELECT DISTINCT bucket FROM book.account WHERE customer_id = ANY($1::text[])) AS touched
    ORDER BY bucket
));
