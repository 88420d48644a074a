-- Locks a page of a run and returns it, with the day up to which it bills.
SELECT page.first_bucket, page.end_bucket, page.at_bucket, page.after, page.finished_at, run.as_of
FROM book.page
JOIN book.run USING (tick_id)
WHERE page.tick_id = $1 AND page.number = $2
FOR UPDATE OF page;
