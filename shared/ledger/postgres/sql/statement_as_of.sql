-- A customer's statement as it was known at an instant.
SELECT * FROM report.statement_as_of($1, $2) ORDER BY period;
