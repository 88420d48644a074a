-- What waits for these customers, in the order it came.
SELECT customer_id, type, content, ce_id, ce_source
FROM book.parked
WHERE customer_id = ANY($1::text[])
ORDER BY position;
