-- Changes which payments hold references, if they are still held as this batch has read it ($3).
UPDATE book.payment_reference AS held
SET payments = wanted.payments, shared = wanted.shared
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[])
    AS wanted (method, reference, before, payments, shared)
WHERE held.method = wanted.method AND held.reference = wanted.reference
    AND held.payments = wanted.before;
