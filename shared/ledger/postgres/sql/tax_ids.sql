-- The components of VAT that documents have named.
SELECT code, rate_ppm, tax_id FROM book.tax;
