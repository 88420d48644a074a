-- Lets payments hold references; a holder that another batch slipped in stops this one.
INSERT INTO book.payment_reference (method, reference, payment)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[]);
