-- The lines written after a place, in the order in which they were written.
SELECT :line_columns(line)
FROM book.line
WHERE position > $1
ORDER BY position;
