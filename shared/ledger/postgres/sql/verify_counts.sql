-- How much there is to verify.
SELECT
    (SELECT count(*) FROM book.account) AS customers,
    (SELECT count(*) FROM book.line) AS lines;
