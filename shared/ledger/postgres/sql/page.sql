-- One page of a run, locked; finished_at tells whether somebody has done it already.
SELECT page.after, page.finished_at, run.as_of
FROM book.page
JOIN book.run USING (tick_id)
WHERE page.tick_id = $1 AND page.bucket = $2
FOR UPDATE OF page;
