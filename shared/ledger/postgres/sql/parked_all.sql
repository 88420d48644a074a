-- Parked commands, oldest first: all, or those of one customer.
SELECT command_id, customer_id, type, parked_at, reason
FROM report.parked
WHERE $1::text IS NULL OR customer_id = $1
ORDER BY parked_at, command_id;
