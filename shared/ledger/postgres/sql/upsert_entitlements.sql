-- Keeps what is told of entitlements, to be compared next time; answers when that was.
WITH told AS (
    INSERT INTO book.entitlement (customer_id, expires_on, status, seq, incarnation)
    SELECT *, $5 FROM unnest($1::text[], $2::date[], $3::text[], $4::integer[])
    ON CONFLICT (customer_id) DO UPDATE
    SET expires_on = excluded.expires_on, status = excluded.status, seq = excluded.seq,
        incarnation = excluded.incarnation
)
SELECT clock_timestamp();
