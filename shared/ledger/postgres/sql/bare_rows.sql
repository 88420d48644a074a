-- How many rows the benchmark's bare loop has committed.
SELECT count(*) FROM baseline.bare;
