-- Stores a record of the benchmark's bare loop.
INSERT INTO baseline.bare (said) VALUES ($1);
