-- Frees the references of cancelled payments.
DELETE FROM book.payment_reference AS held
USING unnest($1::text[], $2::text[]) AS freed (method, reference)
WHERE held.method = freed.method AND held.reference = freed.reference;
