-- All lines of a customer, in the order of seq.
SELECT :line_columns(line)
FROM book.line
WHERE customer_id = $1
ORDER BY seq;
