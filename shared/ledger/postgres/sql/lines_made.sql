-- The lines that an accepted command ($2) of a customer ($1) made: those that bear its id, and the bills that were
-- written with it, in the order of seq.
SELECT :line_columns(line)
FROM book.line
JOIN book.command ON command.command_id = $2 AND command.recorded_at = line.recorded_at
WHERE line.customer_id = $1 AND (line.command_id = $2 OR line.kind IN ('bill', 'skip'))
ORDER BY line.seq;
