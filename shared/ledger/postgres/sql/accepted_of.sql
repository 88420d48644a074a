-- The accepted commands of a customer, in the order in which they were applied.
SELECT command.type, command.content, command.recorded_at
FROM book.command
WHERE command.customer_id = $1 AND command.outcome = 'accepted'
ORDER BY command.position;
