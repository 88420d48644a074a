-- Accounts of one batch, each with the end of its chain of lines.
SELECT
    account.customer_id,
    account.joined_on,
    account.bill_from,
    account.opening_due,
    account.terms,
    account.contact,
    last.seq,
    last.hash,
    last.recorded_at
FROM book.account
LEFT JOIN LATERAL (
    SELECT line.seq, line.hash, line.recorded_at
    FROM book.line
    WHERE line.customer_id = account.customer_id
    ORDER BY line.seq DESC
    LIMIT 1
) AS last ON true
WHERE account.customer_id = ANY($1::text[]);
