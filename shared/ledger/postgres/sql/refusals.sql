-- Refusals, newest first: all, or those of one customer.
SELECT
    command_id, type, customer_id, reason, actor, amount, said, ce_id, ce_source, recorded_at
FROM report.refusal
WHERE $1::text IS NULL OR customer_id = $1
ORDER BY recorded_at DESC, command_id, ce_id
LIMIT $2;
