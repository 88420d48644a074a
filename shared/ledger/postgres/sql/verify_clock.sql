-- By how much instants contradict the order in which rows were written; null in an empty book. Some
-- seconds at most where no clock was set back: a transaction takes its instant before it writes.
SELECT max(behind) FROM (
    SELECT max(recorded_at) OVER (ORDER BY position) - recorded_at AS behind FROM book.command
    UNION ALL
    SELECT max(recorded_at) OVER (ORDER BY position) - recorded_at FROM book.line
) AS written;
