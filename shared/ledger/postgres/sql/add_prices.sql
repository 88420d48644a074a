-- Stores the price list of a policy version, for the views.
INSERT INTO book.price (version, code, starts, amount, name)
SELECT $1, * FROM unnest($2::text[], $3::date[], $4::bigint[], $5::text[]);
