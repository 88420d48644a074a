-- The ids of the quarantined customers.
SELECT customer_id FROM book.quarantine ORDER BY customer_id;
