-- The last number of each series.
SELECT DISTINCT ON (kind, year) kind, year, number FROM book.document ORDER BY kind, year, number DESC;
