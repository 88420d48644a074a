-- Copies into the twin table the lines written before those to be measured.
INSERT INTO baseline.line OVERRIDING SYSTEM VALUE
SELECT * FROM book.line WHERE position <= $1;
