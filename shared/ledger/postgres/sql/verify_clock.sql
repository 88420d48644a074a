-- By how much `recorded_at` contradicts the order in which rows were written; null in an empty book.
-- Without a clock that was set back it is a few seconds at most, because a transaction reads the clock
-- before it writes.
SELECT max(behind) FROM (
    SELECT max(recorded_at) OVER (ORDER BY position) - recorded_at AS behind FROM book.command
    UNION ALL
    SELECT max(recorded_at) OVER (ORDER BY position) - recorded_at FROM book.line
) AS written;
