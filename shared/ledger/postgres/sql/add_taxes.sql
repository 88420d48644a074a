-- Adds components of VAT that no document has named before.
INSERT INTO book.tax (tax_id, code, rate_ppm)
SELECT (SELECT coalesce(max(tax_id), 0) FROM book.tax) + added.place, added.code, added.rate_ppm
FROM unnest($1::text[], $2::integer[]) WITH ORDINALITY AS added (code, rate_ppm, place)
RETURNING code, rate_ppm, tax_id;
