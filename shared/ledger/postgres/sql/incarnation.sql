-- The book's incarnation, and whether notices are held.
SELECT
    coalesce((SELECT max(number) FROM book.incarnation), 1) AS number,
    notices_held
FROM book.fleet;
