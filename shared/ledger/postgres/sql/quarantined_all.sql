-- Who waits for a person.
SELECT customer_id FROM book.quarantine ORDER BY customer_id;
