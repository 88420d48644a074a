-- Frees references, if they are still held as this batch has read it ($3).
DELETE FROM book.payment_reference AS held
USING unnest($1::text[], $2::text[], $3::text[]) AS freed (method, reference, payments)
WHERE held.method = freed.method AND held.reference = freed.reference
    AND held.payments = freed.payments;
