-- The accounts of a range of customers, and whether each is quarantined.
SELECT
    account.customer_id,
    account.joined_on,
    account.bill_from,
    account.opening_due,
    terms.content AS terms,
    account.contact,
    quarantine.customer_id IS NOT NULL AS quarantined
FROM book.account
LEFT JOIN book.terms USING (terms_id)
LEFT JOIN book.quarantine ON quarantine.customer_id = account.customer_id
    AND quarantine.bucket = account.bucket
WHERE account.customer_id > $1 AND ($2::text IS NULL OR account.customer_id <= $2)
ORDER BY account.customer_id
