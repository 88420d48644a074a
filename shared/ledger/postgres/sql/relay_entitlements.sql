-- The next committed entitlements of some buckets, each after its bucket's cursor, at most $3 per bucket.
SELECT
    entitlement.bucket,
    entitlement.position,
    entitlement.changed_at,
    entitlement.customer_id,
    entitlement.expires_on,
    entitlement.status,
    entitlement.seq,
    entitlement.incarnation,
    coalesce(entitlement.username, entitlement.customer_id) AS username,
    coalesce(entitlement.package, '') AS package
FROM unnest($1::smallint[], $2::bigint[]) AS relay (bucket, position)
CROSS JOIN LATERAL (
    SELECT * FROM book.entitlement
    WHERE entitlement.bucket = relay.bucket AND entitlement.position > relay.position
    ORDER BY entitlement.position
    LIMIT $3
) AS entitlement
ORDER BY entitlement.bucket, entitlement.position;
