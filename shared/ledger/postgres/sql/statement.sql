-- A customer's statement: the latest line of each period.
SELECT * FROM report.statement WHERE customer_id = $1 ORDER BY period;
