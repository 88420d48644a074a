-- Customers of buckets [$1, $2) whose shown terms (status, VIP, mode, cycle) have a change
-- dated up to a day.
SELECT account.customer_id, terms.content AS terms
FROM book.account
JOIN book.terms USING (terms_id)
WHERE bucket >= $1 AND bucket < $2 AND next_change_on <= $3;
