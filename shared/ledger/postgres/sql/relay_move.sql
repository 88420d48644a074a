-- Moves the cursors past what Kafka has acknowledged; this transaction has locked them.
UPDATE book.relay SET position = moved.position
FROM unnest($1::text[], $2::smallint[], $3::bigint[]) AS moved (stream, bucket, position)
WHERE relay.stream = moved.stream AND relay.bucket = moved.bucket;
