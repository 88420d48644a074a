-- How many rows wait to be published, per stream; at most 2,000 per bucket are counted.
SELECT relay.stream, sum(waiting.count)::bigint AS waiting
FROM book.relay
CROSS JOIN LATERAL (
    SELECT count(*) FROM (
        SELECT FROM book.line
        WHERE relay.stream = 'line'
            AND line.bucket = relay.bucket AND line.position > relay.position
        LIMIT 2000
    ) AS lines
    UNION ALL
    SELECT count(*) FROM (
        SELECT FROM book.outgoing
        WHERE relay.stream = 'outgoing'
            AND outgoing.bucket = relay.bucket AND outgoing.position > relay.position
        LIMIT 2000
    ) AS messages
    UNION ALL
    SELECT count(*) FROM (
        SELECT FROM book.notice
        WHERE relay.stream = 'notice'
            AND notice.bucket = relay.bucket AND notice.position > relay.position
        LIMIT 2000
    ) AS notices
    UNION ALL
    SELECT count(*) FROM (
        SELECT FROM book.entitlement
        WHERE relay.stream = 'entitlement'
            AND entitlement.bucket = relay.bucket AND entitlement.position > relay.position
        LIMIT 2000
    ) AS entitlements
) AS waiting
GROUP BY relay.stream;
