-- The lines of a range of customers as text, by seq. Customer, instant and hash come first, because the
-- last two cannot be predicted; then all other fields that the hash covers, in the order of the canonical
-- form.
SELECT :line_columns_as_stored(line)
FROM book.line
WHERE customer_id > $1 AND ($2::text IS NULL OR customer_id <= $2)
ORDER BY customer_id, seq
