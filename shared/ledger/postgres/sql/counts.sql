-- How many lines, commands and notices the book has.
SELECT
    (SELECT count(*) FROM report.ledger) AS lines,
    (SELECT count(*) FROM report.command) AS commands,
    (SELECT count(*) FROM report.notice) AS notices;
