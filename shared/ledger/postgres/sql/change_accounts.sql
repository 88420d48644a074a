-- Updates the terms and contacts of customers.
UPDATE book.account
SET terms_id = changed.terms_id, contact = coalesce(changed.contact, account.contact),
    next_change_on = changed.next_change_on
FROM unnest($1::text[], $2::bigint[], $3::jsonb[], $4::date[])
    AS changed (customer_id, terms_id, contact, next_change_on)
WHERE account.customer_id = changed.customer_id;
