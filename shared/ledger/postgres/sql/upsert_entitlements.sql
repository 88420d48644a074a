-- Stores entitlements, to be published and to be compared with next time.
INSERT INTO book.entitlement (
    customer_id, expires_on, status, seq, incarnation, username, package, bucket, position, changed_at
)
SELECT given.*, nextval('book.entitlement_position'), clock_timestamp()
FROM unnest(
    $1::text[], $2::date[], $3::text[], $4::integer[], $5::integer[], $6::text[], $7::text[],
    $8::smallint[]
) AS given
ON CONFLICT (customer_id) DO UPDATE
SET expires_on = excluded.expires_on, status = excluded.status, seq = excluded.seq,
    incarnation = excluded.incarnation, username = excluded.username, package = excluded.package,
    position = excluded.position,
    changed_at = excluded.changed_at;
