-- The book's incarnation, and whether texts wait for a person.
SELECT
    coalesce((SELECT max(number) FROM book.incarnation), 1) AS number,
    notices_held
FROM book.fleet;
