-- Finishes a run if all its pages are done.
UPDATE book.run SET finished_at = clock_timestamp()
WHERE tick_id = $1 AND finished_at IS NULL
    AND EXISTS (SELECT FROM book.page WHERE page.tick_id = run.tick_id)
    AND NOT EXISTS (
        SELECT FROM book.page WHERE page.tick_id = run.tick_id AND page.finished_at IS NULL
    )
RETURNING period;
