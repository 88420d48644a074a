-- Which of these commands have an outcome or are parked.
SELECT command_id FROM book.command WHERE command_id = ANY($1::text[])
UNION ALL
SELECT command_id FROM book.parked WHERE command_id = ANY($1::text[]);
