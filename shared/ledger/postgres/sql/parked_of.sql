-- What waits for these customers, in the order it came.
SELECT customer_id, type, content
FROM book.parked
WHERE customer_id = ANY($1::text[])
ORDER BY position;
