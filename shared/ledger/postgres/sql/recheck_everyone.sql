-- Asks for a look at every customer's entitlement: the days of grace have changed.
INSERT INTO book.outgoing (topic, key, value, headers)
SELECT $1, convert_to(customer_id, 'UTF8'), '{}', '[]' FROM book.account ORDER BY customer_id;
