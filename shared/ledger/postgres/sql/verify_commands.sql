-- The outcomes of a range of customers, in the order in which each customer's commands were judged.
SELECT
    customer_id, type, content, outcome, reason, command_id, recorded_at
FROM book.command
WHERE customer_id > $1 AND ($2::text IS NULL OR customer_id <= $2)
ORDER BY customer_id, position
