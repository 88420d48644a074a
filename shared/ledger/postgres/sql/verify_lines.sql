-- The lines of a range of customers as text, in the order of seq: all that a hash covers in the order
-- of the canonical form, but instant and hash, which nothing foretells, first.
SELECT :line_columns_told_first(line)
FROM book.line
WHERE customer_id > $1 AND ($2::text IS NULL OR customer_id <= $2)
ORDER BY customer_id, seq
