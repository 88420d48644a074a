-- Appends conflicting duplicates; an event delivered again adds no row.
INSERT INTO book.conflict (
    command_id, digest, customer_id, type, content, ce_id, ce_source, bucket, recorded_at
)
SELECT command_id, digest, customer_id, type, content, ce_id, ce_source, bucket, $9
FROM unnest(
    $1::text[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::smallint[]
) AS conflict (command_id, digest, customer_id, type, content, ce_id, ce_source, bucket)
ON CONFLICT DO NOTHING;
