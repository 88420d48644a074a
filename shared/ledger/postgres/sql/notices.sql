-- The notices with one status, or all, oldest first.
SELECT * FROM report.notice WHERE $1::text IS NULL OR status = $1 ORDER BY created_at, notice_id;
