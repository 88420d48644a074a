-- Which live payments hold these references.
SELECT held.method, held.reference, held.payments, held.shared
FROM unnest((SELECT $1::text[]), (SELECT $2::text[])) AS asked (method, reference)
JOIN book.payment_reference AS held USING (method, reference);
