-- Opens an incarnation; all buckets are locked, so that every line up to now has a position up to
-- that of the last one.
INSERT INTO book.incarnation (number, reason, line_position)
SELECT $1, $2, coalesce((SELECT max(position) FROM book.line), 0);
