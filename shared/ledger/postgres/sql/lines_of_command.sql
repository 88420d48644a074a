-- How many lines a command has in the ledger, as others see it.
SELECT count(*) FROM report.ledger WHERE customer_id = $1 AND command_id = $2;
