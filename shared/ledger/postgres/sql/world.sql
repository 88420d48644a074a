-- What the rules know besides accounts, read after the locks: the instant orders the lines; which
-- of these commands came before, judged or still parked; who of these customers is set apart.
-- The arrays stand in sub-selects, so that no plan depends on them: PostgreSQL would plan this anew
-- for each batch, which takes longer than to run it.
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
