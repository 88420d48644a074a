-- Asks for a look at the entitlements of a bucket's customers: earlier requests were lost.
INSERT INTO book.outgoing (topic, key, value, headers)
SELECT $1, convert_to(customer_id, 'UTF8'), '{}', '[]'
FROM book.account WHERE bucket = $2 ORDER BY customer_id;
