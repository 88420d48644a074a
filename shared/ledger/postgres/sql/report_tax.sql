-- report.tax, of a month or of all (null).
SELECT * FROM report.tax WHERE $1::text IS NULL OR month = $1 ORDER BY month, code, rate;
