-- Moves the relay's cursors back, so that it publishes every line again; readers drop duplicates by seq.
-- Waits until the relay's current pass has ended.
UPDATE book.relay SET position = 0 WHERE stream = 'line';
