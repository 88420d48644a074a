-- What the rules know besides accounts, read after the locks: `recorded_at` of the new lines; which of
-- these commands were judged or parked before; which of these customers are quarantined. The arrays are
-- in sub-selects, so that the plan does not depend on them: else PostgreSQL would plan the statement
-- again for each batch, which takes longer than running it.
SELECT
    fleet.business_date,
    clock_timestamp() AS recorded_at,
    (SELECT max(version) FROM book.policy) AS policy_version,
    ARRAY(
        SELECT ROW(command_id, type, content, outcome, reason)
        FROM unnest((SELECT $1::text[])) AS asked (command_id)
        JOIN book.command USING (command_id)
        UNION ALL
        SELECT ROW(command_id, type, content, 'parked'::text, reason)
        FROM unnest((SELECT $1::text[])) AS asked (command_id)
        JOIN book.parked USING (command_id)
    ) AS seen,
    ARRAY(
        SELECT ROW(customer_id, reason)
        FROM unnest((SELECT $2::text[])) AS asked (customer_id)
        JOIN book.quarantine USING (customer_id)
    ) AS quarantined
FROM book.fleet;
