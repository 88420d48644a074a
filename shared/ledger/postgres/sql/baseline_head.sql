-- The last line of one customer in the twin table.
SELECT * FROM baseline.line
WHERE customer_id = $1
ORDER BY period DESC, revision DESC
LIMIT 1;
