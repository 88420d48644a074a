-- The parked commands of these customers, in the order in which they arrived.
SELECT customer_id, type, content, ce_id, ce_source
FROM book.parked
WHERE customer_id = ANY($1::text[])
ORDER BY position;
