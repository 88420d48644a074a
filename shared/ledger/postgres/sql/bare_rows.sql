-- How many rows the bare loop has committed.
SELECT count(*) FROM baseline.bare;
