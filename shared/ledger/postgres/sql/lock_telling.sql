-- Lets one batch at a time tell the customers of a bucket, so that what they are told gets its
-- position in the order of commits; sorted, and before anything is read or written, like
-- lock_buckets.sql. Writers of lines go on.
SELECT book.lock(ARRAY(
    SELECT 'telling_' || bucket FROM unnest($1::integer[]) WITH ORDINALITY AS b (bucket, place)
    ORDER BY place
));
