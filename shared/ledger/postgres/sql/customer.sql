-- A customer as they are now.
SELECT * FROM report.customer WHERE customer_id = $1;
