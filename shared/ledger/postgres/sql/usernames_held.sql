-- Which customers go by these usernames.
SELECT username, customer_id
FROM unnest((SELECT $1::text[])) AS asked (username)
JOIN book.username USING (username);
