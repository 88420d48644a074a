-- Quarantines customers; the first reason stays. Without an instant ($3) the database's clock is used.
INSERT INTO book.quarantine (customer_id, reason, since, bucket)
SELECT customer_id, reason, coalesce($3::timestamptz, clock_timestamp()), bucket
FROM unnest($1::text[], $2::text[], $4::smallint[]) AS q (customer_id, reason, bucket)
ON CONFLICT (customer_id) DO NOTHING;
