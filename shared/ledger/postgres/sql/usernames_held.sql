-- Which customers go by these usernames.
SELECT asked.username, held.customer_id
FROM unnest((SELECT $1::text[])) AS asked (username)
CROSS JOIN LATERAL (
    SELECT customer_id FROM book.username WHERE username.username = asked.username LIMIT 1
) AS held;
