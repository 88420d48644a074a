-- Sets a customer apart until a person looks; the first reason stays.
INSERT INTO book.quarantine (customer_id, reason, since)
SELECT customer_id, reason, $3 FROM unnest($1::text[], $2::text[]) AS q (customer_id, reason)
ON CONFLICT (customer_id) DO NOTHING;
