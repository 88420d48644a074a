-- The accepted commands of a customer in the order in which they took effect; those of one
-- batch bear one instant, and are told apart by the first line that each wrote.
SELECT command.type, command.content, command.recorded_at
FROM book.command
LEFT JOIN LATERAL (
    SELECT min(line.seq) AS seq FROM book.line
    WHERE line.customer_id = $1 AND line.command_id = command.command_id
) AS wrote ON true
WHERE command.customer_id = $1 AND command.outcome = 'accepted'
ORDER BY
    command.recorded_at,
    command.type <> 'billing.customer.signed_up.v1',
    wrote.seq NULLS FIRST,
    command.command_id;
