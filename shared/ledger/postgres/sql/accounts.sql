-- Accounts of one batch: each with the end of its chain, and its periods as their latest lines:
-- from a label on, but no earlier than the one that covers a day; with neither the last one.
-- One row is read per period, however often it was revised.
SELECT
    account.customer_id,
    account.joined_on,
    account.bill_from,
    account.opening_due,
    account.terms,
    account.contact,
    last.seq,
    last.hash,
    last.recorded_at,
    :line_columns(line)
FROM unnest($1::text[], $2::text[], $3::date[]) AS wanted (customer_id, since, day)
JOIN book.account ON account.customer_id = wanted.customer_id
LEFT JOIN LATERAL (
    SELECT line.seq, line.hash, line.recorded_at
    FROM book.line
    WHERE line.customer_id = account.customer_id AND line.bucket = account.bucket
    ORDER BY line.seq DESC
    LIMIT 1
) AS last ON true
LEFT JOIN LATERAL (
    SELECT line.period, line.coverage_from FROM book.line
    WHERE line.customer_id = account.customer_id AND line.bucket = account.bucket
    ORDER BY line.period DESC
    LIMIT 1
) AS head ON true
LEFT JOIN LATERAL generate_series(
    (least(greatest(wanted.since, to_char(account.bill_from, 'YYYY-MM')), head.period) || '-01')
        ::timestamp,
    (head.period || '-01')::timestamp,
    interval '1 month'
) AS month ON wanted.since IS NOT NULL AND (wanted.day < head.coverage_from) IS NOT FALSE
LEFT JOIN LATERAL (
    SELECT * FROM book.line
    WHERE line.customer_id = account.customer_id AND line.bucket = account.bucket
        AND line.period = coalesce(to_char(month, 'YYYY-MM'), head.period)
    ORDER BY line.revision DESC
    LIMIT 1
) AS line ON true
ORDER BY account.customer_id, line.period;
