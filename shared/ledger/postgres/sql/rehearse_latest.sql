-- The amounts of the last period of each of these customers: usually last month's bill.
SELECT DISTINCT ON (customer_id) customer_id, charge, discount, vat
FROM book.line
WHERE customer_id = ANY($1::text[])
ORDER BY customer_id, period DESC, revision DESC;
