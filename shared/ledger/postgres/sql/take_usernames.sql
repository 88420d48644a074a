-- Assigns usernames to customers. It fails if another batch has assigned one meanwhile.
INSERT INTO book.username (username, customer_id)
SELECT * FROM unnest($1::text[], $2::text[]);
