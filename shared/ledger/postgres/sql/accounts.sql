-- Accounts of one batch: each with the end of its chain, and its last period as its latest line.
-- Contacts only where they are wanted, for reading them costs as much as finding the line. The last
-- period is that of the last line or a later one: asked so, PostgreSQL takes it from the index on
-- periods, where it might otherwise sort all lines of a customer.
SELECT
    account.customer_id,
    account.joined_on,
    account.bill_from,
    account.opening_due,
    account.terms_id,
    CASE WHEN wanted.contact THEN account.contact END AS contact,
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
