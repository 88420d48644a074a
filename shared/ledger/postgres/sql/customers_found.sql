-- Customers by phone ($1), by a part of their name ($2) or by the reference of a payment ($3), where these are
-- given; at most $4, in the order of ids. Names and references are compared without case.
SELECT customer_id, name, phone, username, status, due, expires_on
FROM report.customer
WHERE ($1::text IS NULL OR phone = $1)
    AND ($2::text IS NULL OR strpos(lower(name), lower($2)) > 0)
    AND ($3::text IS NULL OR customer_id IN (
        SELECT payment.customer_id FROM report.payment
        WHERE lower(btrim(payment.reference)) = lower(btrim($3))
    ))
ORDER BY customer_id
LIMIT $4;
