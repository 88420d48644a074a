-- Moves the relay behind every line that a benchmark has written straight into the book.
UPDATE book.relay SET position = coalesce((
    SELECT position FROM book.line WHERE line.bucket = relay.bucket ORDER BY position DESC LIMIT 1
), 0)
WHERE stream = 'line';
