-- Lets a customer take part again.
DELETE FROM book.quarantine WHERE customer_id = $1 RETURNING customer_id;
