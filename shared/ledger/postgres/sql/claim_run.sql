-- Claims a month for its oldest waiting run. Returns no row if another run of the month is claimed and
-- unfinished, or if none waits.
UPDATE book.run SET claimed_at = clock_timestamp()
WHERE tick_id = (
        SELECT waiting.tick_id FROM book.run AS waiting
        WHERE waiting.period = $1 AND waiting.claimed_at IS NULL AND waiting.finished_at IS NULL
        ORDER BY waiting.started_at, waiting.tick_id
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    )
    AND NOT EXISTS (
        SELECT FROM book.run AS busy
        WHERE busy.period = $1 AND busy.claimed_at IS NOT NULL AND busy.finished_at IS NULL
    )
RETURNING tick_id;
