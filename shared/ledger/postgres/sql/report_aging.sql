-- What each customer owes, by age.
SELECT * FROM report.aging ORDER BY customer_id;
