-- Moves the cursor of a stream on, after Kafka has acknowledged; never back.
UPDATE book.relay SET xid = $2::bigint::text::xid8, position = $3
WHERE stream = $1 AND (xid, position) < ($2::bigint::text::xid8, $3::bigint);
