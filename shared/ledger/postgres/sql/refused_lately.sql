-- How much was refused in the last $1 seconds, and the newest tick if it was refused.
SELECT
    (
        SELECT count(*) FROM report.refusal
        WHERE recorded_at >= now() - make_interval(secs => $1)
    ) AS refused,
    tick.command_id AS tick,
    tick.reason
FROM (VALUES (1)) AS one
LEFT JOIN (
    SELECT command_id, outcome, reason
    FROM book.command
    WHERE customer_id IS NULL
    ORDER BY customer_id DESC, position DESC -- the order of an index: the last entry alone is read
    LIMIT 1
) AS tick ON tick.outcome = 'refused';
