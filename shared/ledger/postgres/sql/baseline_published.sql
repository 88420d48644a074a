-- Moves the relay's cursors past every line, so that lines written by a benchmark are not published.
UPDATE book.relay SET position = coalesce((
    SELECT position FROM book.line WHERE line.bucket = relay.bucket ORDER BY position DESC LIMIT 1
), 0)
WHERE stream = 'line';
