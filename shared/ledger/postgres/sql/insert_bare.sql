-- What the bare loop does with a record.
INSERT INTO baseline.bare (said) VALUES ($1);
