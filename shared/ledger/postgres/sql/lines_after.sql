-- The lines after a position, in the order of positions.
SELECT :line_columns(line)
FROM book.line
WHERE position > $1
ORDER BY position;
