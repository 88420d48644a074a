-- How many committed lines a command has in the ledger.
SELECT count(*) FROM report.ledger WHERE customer_id = $1 AND command_id = $2;
