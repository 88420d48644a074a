-- The next committed notices of some buckets that may be published, each after its bucket's cursor, at
-- most $3 per bucket.
SELECT
    notice.bucket,
    notice.position,
    notice.requested_at,
    notice.incarnation,
    notice.phone,
    notice.language,
    notice.notice_id,
    notice.customer_id,
    notice.kind,
    notice.period,
    notice.amount,
    notice.text,
    notice.segments
FROM unnest($1::smallint[], $2::bigint[]) AS relay (bucket, position)
CROSS JOIN LATERAL (
    SELECT * FROM book.notice
    WHERE notice.bucket = relay.bucket AND notice.position > relay.position
    ORDER BY notice.position
    LIMIT $3
) AS notice
ORDER BY notice.bucket, notice.position;
