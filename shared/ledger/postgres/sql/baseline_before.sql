-- Gives the twin what the ledger held before the lines to be measured.
INSERT INTO baseline.line OVERRIDING SYSTEM VALUE
SELECT * FROM book.line WHERE position <= $1;
