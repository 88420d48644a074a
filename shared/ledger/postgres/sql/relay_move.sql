-- Moves the cursor of a stream on from where this page began, after Kafka has acknowledged: never
-- back, and not where a person has set it back meanwhile.
UPDATE book.relay SET xid = $2::bigint::text::xid8, position = $3
WHERE stream = $1 AND (xid, position) = ($4::bigint::text::xid8, $5::bigint);
