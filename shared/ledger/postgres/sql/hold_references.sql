-- Assigns free references to payments. It fails if another batch has assigned one meanwhile.
INSERT INTO book.payment_reference (method, reference, payments, shared)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[]);
