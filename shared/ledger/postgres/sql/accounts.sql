-- The accounts of one batch: each with its last seq and hash, and the latest line of its last period.
-- Contacts are read only where wanted: reading one costs as much as finding the line. Only periods from
-- that of the last line on are searched: PostgreSQL can then use the index on periods and does not sort
-- all lines of a customer.
SELECT
    account.customer_id,
    account.joined_on,
    account.bill_from,
    account.opening_due,
    account.terms_id,
    CASE WHEN wanted.contact THEN account.contact END AS contact,
    account.untold_seq,
    last.seq,
    last.hash,
    last.recorded_at,
    :line_columns(head)
FROM unnest((SELECT $1::text[]), (SELECT $2::boolean[])) AS wanted (customer_id, contact)
JOIN book.account ON account.customer_id = wanted.customer_id
LEFT JOIN LATERAL (
    SELECT line.seq, line.hash, line.recorded_at, line.period FROM book.line
    WHERE line.customer_id = account.customer_id AND line.bucket = account.bucket
    ORDER BY line.seq DESC
    LIMIT 1
) AS last ON true
LEFT JOIN LATERAL (
    SELECT * FROM book.line
    WHERE line.customer_id = account.customer_id AND line.bucket = account.bucket
        AND line.period >= last.period
    ORDER BY line.period DESC, line.revision DESC
    LIMIT 1
) AS head ON true;
