-- Keeps notices; those that were made before give no row and are not sent again.
INSERT INTO book.notice (notice_id, customer_id, kind, period, amount, text, segments, status)
SELECT *, $8 FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::smallint[]
)
ON CONFLICT DO NOTHING
RETURNING notice_id, created_at;
