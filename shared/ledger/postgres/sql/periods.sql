-- The periods of accounts from one label to another, each as its latest line, in their order. One
-- row is read per period, however often it was revised.
SELECT :line_columns(line)
FROM unnest((SELECT $1::text[]), (SELECT $2::text[]), (SELECT $3::text[]))
    AS wanted (customer_id, since, until)
JOIN book.account ON account.customer_id = wanted.customer_id
CROSS JOIN LATERAL generate_series(
    (wanted.since || '-01')::timestamp, (wanted.until || '-01')::timestamp, interval '1 month'
) AS month
CROSS JOIN LATERAL (
    SELECT * FROM book.line
    WHERE line.customer_id = account.customer_id AND line.bucket = account.bucket
        AND line.period = to_char(month, 'YYYY-MM')
    ORDER BY line.revision DESC
    LIMIT 1
) AS line
ORDER BY line.customer_id, line.period;
