-- What the last period of each of these customers came to: last month's bill, mostly.
SELECT DISTINCT ON (customer_id) customer_id, charge, discount, vat
FROM book.line
WHERE customer_id = ANY($1::text[])
ORDER BY customer_id, period DESC, revision DESC;
