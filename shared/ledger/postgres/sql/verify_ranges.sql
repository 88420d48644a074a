-- The last customer of each range of $1 customers.
SELECT customer_id
FROM (
    SELECT customer_id, row_number() OVER (ORDER BY customer_id) AS place FROM book.account
) AS account
WHERE place % $1 = 0
ORDER BY customer_id;
