-- Which of these commands came before: judged, or still parked.
SELECT command_id, type, content, outcome, reason
FROM book.command WHERE command_id = ANY($1::text[])
UNION ALL
SELECT command_id, type, content, 'parked', reason
FROM book.parked WHERE command_id = ANY($1::text[]);
