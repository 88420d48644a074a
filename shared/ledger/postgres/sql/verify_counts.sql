-- How many lines and customers there are to verify.
SELECT
    (SELECT count(*) FROM book.account) AS customers,
    (SELECT count(*) FROM book.line) AS lines;
