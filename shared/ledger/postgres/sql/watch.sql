-- The figures for the gauges.
SELECT
    (SELECT count(*) FROM book.parked) AS parked,
    (SELECT count(*) FROM book.quarantine) AS quarantined,
    (SELECT count(*) FROM book.run WHERE finished_at IS NULL) AS running,
    (SELECT extract(epoch FROM max(finished_at))::float8 FROM book.run) AS last_success;
