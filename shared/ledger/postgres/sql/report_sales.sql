-- report.sales, of a month or of all (null).
SELECT * FROM report.sales WHERE $1::text IS NULL OR month = $1 ORDER BY month, kind;
