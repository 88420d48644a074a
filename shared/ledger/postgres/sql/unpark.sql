-- Takes judged commands out of the parked ones.
DELETE FROM book.parked WHERE command_id = ANY($1::text[]);
