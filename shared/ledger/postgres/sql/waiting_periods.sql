-- Months with a run to claim: one waits, and none is claimed and unfinished.
SELECT DISTINCT period FROM book.run
WHERE finished_at IS NULL AND claimed_at IS NULL
    AND NOT EXISTS (
        SELECT FROM book.run AS busy
        WHERE busy.period = run.period AND busy.claimed_at IS NOT NULL AND busy.finished_at IS NULL
    );
