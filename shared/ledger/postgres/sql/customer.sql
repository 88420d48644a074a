-- A customer as he is now.
SELECT * FROM report.customer WHERE customer_id = $1;
