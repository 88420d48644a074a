-- Deletes the parked rows of commands that were judged.
DELETE FROM book.parked WHERE command_id = ANY($1::text[]);
