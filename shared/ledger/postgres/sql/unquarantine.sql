-- Ends a customer's quarantine.
DELETE FROM book.quarantine WHERE customer_id = $1 RETURNING customer_id;
