-- The position of the line written last.
SELECT coalesce(max(position), 0) FROM book.line;
