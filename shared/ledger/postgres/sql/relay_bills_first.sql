-- Whether runs are open and the oldest of them began in the last $1 seconds. The time limit holds for
-- back-to-back runs too, for a run that hangs, and for one whose start lies in the future because a clock
-- was ahead.
SELECT min(started_at) BETWEEN clock_timestamp() - $1::float8 * interval '1 second'
    AND clock_timestamp()
FROM book.run
WHERE finished_at IS NULL;
