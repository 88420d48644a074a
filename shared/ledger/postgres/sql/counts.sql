-- How much the book holds.
SELECT
    (SELECT count(*) FROM report.ledger) AS lines,
    (SELECT count(*) FROM report.command) AS commands,
    (SELECT count(*) FROM report.notice) AS notices;
