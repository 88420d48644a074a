-- Sets each customer's next day with a dated change of shown terms.
UPDATE book.account SET next_change_on = next.day
FROM unnest($1::text[], $2::date[]) AS next (customer_id, day)
WHERE account.customer_id = next.customer_id;
