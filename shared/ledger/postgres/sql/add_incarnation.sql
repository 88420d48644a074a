-- Opens an incarnation. All buckets are locked, so no line written before it can get a position
-- above `line_position`.
INSERT INTO book.incarnation (number, reason, line_position)
SELECT $1, $2, coalesce((SELECT max(position) FROM book.line), 0);
