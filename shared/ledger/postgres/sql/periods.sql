-- The latest lines of these periods, given by customer and label, in order. One row per period is read,
-- however often it was revised.
SELECT :line_columns(line)
FROM unnest((SELECT $1::text[]), (SELECT $2::text[])) AS wanted (customer_id, period)
JOIN book.account ON account.customer_id = wanted.customer_id
CROSS JOIN LATERAL (
    SELECT * FROM book.line
    WHERE line.customer_id = account.customer_id AND line.bucket = account.bucket
        AND line.period = wanted.period
    ORDER BY line.revision DESC
    LIMIT 1
) AS line
ORDER BY line.customer_id, line.period;
