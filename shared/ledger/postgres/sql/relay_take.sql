-- Locks those of the requested cursors that no other relay has locked, so that several relays share the
-- buckets.
SELECT stream, bucket, position
FROM book.relay
WHERE (stream, bucket) IN (SELECT * FROM unnest($1::text[], $2::smallint[]))
FOR NO KEY UPDATE SKIP LOCKED;
