-- Which of these customers wait for a person.
SELECT customer_id, reason FROM book.quarantine WHERE customer_id = ANY($1::text[]);
