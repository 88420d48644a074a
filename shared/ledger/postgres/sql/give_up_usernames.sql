-- Frees usernames, if the customers still go by them.
DELETE FROM book.username AS held
USING unnest($1::text[], $2::text[]) AS given_up (username, customer_id)
WHERE held.username = given_up.username AND held.customer_id = given_up.customer_id;
