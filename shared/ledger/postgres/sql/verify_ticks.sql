-- The outcomes of ticks, in the order in which they were judged.
SELECT type, content, outcome, reason, command_id, recorded_at
FROM book.command
WHERE customer_id IS NULL
ORDER BY position;
