-- Lets texts wait for a person, or go again.
UPDATE book.fleet SET notices_held = $1;
