-- Lets the relay publish every line again from the first one on; readers drop what they have by
-- its seq.
UPDATE book.relay SET xid = '0', position = 0 WHERE stream = 'line';
