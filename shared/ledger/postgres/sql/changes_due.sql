-- Customers of buckets [$1, $2) whose shown terms change by themselves on or before a day.
SELECT customer_id, terms FROM book.account
WHERE bucket >= $1 AND bucket < $2 AND next_change_on <= $3;
