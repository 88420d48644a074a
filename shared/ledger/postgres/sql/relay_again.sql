-- Lets the relay publish every line again from the first one on; readers drop what they have by
-- its seq. Waits for the relay's pass that is under way.
UPDATE book.relay SET position = 0 WHERE stream = 'line';
