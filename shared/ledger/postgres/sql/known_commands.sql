-- Which of these commands were judged or wait parked.
SELECT command_id FROM book.command WHERE command_id = ANY($1::text[])
UNION ALL
SELECT command_id FROM book.parked WHERE command_id = ANY($1::text[]);
