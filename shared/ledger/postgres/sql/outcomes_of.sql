-- The outcomes of these commands so far: accepted, refused or still parked.
SELECT command_id, type, content, outcome, reason, ce_id, ce_source
FROM book.command WHERE command_id = ANY($1::text[])
UNION ALL
SELECT command_id, type, content, 'parked', reason, ce_id, ce_source
FROM book.parked WHERE command_id = ANY($1::text[]);
