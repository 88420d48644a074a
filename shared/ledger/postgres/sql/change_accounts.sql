-- Keeps the new terms of customers.
UPDATE book.account
SET terms = changed.terms, contact = coalesce(changed.contact, account.contact),
    next_change_on = changed.next_change_on
FROM unnest($1::text[], $2::jsonb[], $3::jsonb[], $4::date[])
    AS changed (customer_id, terms, contact, next_change_on)
WHERE account.customer_id = changed.customer_id;
