-- Moves cursors on behind what Kafka has acknowledged; this transaction holds them.
UPDATE book.relay SET position = moved.position
FROM unnest($1::text[], $2::smallint[], $3::bigint[]) AS moved (stream, bucket, position)
WHERE relay.stream = moved.stream AND relay.bucket = moved.bucket;
