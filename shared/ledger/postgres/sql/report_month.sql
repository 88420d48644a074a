-- report.month, of a month or of all (null).
SELECT * FROM report.month WHERE $1::text IS NULL OR month = $1 ORDER BY month;
