-- Whether runs are open and the oldest of them began in the last $1 seconds. So runs that follow each
-- other without a gap, one that does not end, and one from a clock that was ahead, hold nothing back
-- for longer than one run may.
SELECT min(started_at) BETWEEN clock_timestamp() - $1::float8 * interval '1 second'
    AND clock_timestamp()
FROM book.run
WHERE finished_at IS NULL;
