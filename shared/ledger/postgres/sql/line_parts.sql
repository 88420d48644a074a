-- Into how many partitions the table of lines is parted (0: it is one table), whether it has a line,
-- and the fleet's buckets.
SELECT
    (SELECT count(*) FROM pg_inherits WHERE inhparent = 'book.line'::regclass) AS parts,
    EXISTS (SELECT FROM book.line) AS has_lines,
    buckets
FROM book.fleet;
