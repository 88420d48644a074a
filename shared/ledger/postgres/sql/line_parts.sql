-- The number of partitions of the table of lines (0: it is not partitioned), whether it has lines, and the
-- fleet's number of buckets.
SELECT
    (SELECT count(*) FROM pg_inherits WHERE inhparent = 'book.line'::regclass) AS parts,
    EXISTS (SELECT FROM book.line) AS has_lines,
    buckets
FROM book.fleet;
