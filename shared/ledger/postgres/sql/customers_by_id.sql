-- These customers ($1), as `customers` lists them.
SELECT customer_id, name, phone, username, status, due, expires_on
FROM report.customer
WHERE customer_id = ANY($1::text[])
ORDER BY customer_id;
