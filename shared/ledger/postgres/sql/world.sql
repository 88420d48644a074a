-- What the rules know besides accounts, read after the locks: the instant orders the lines; which
-- of these commands came before, judged or still parked; who of these customers is set apart.
SELECT
    fleet.business_date,
    clock_timestamp() AS recorded_at,
    (SELECT max(version) FROM book.policy) AS policy_version,
    ARRAY(
        SELECT ROW(command_id, type, content, outcome, reason)
        FROM book.command WHERE command_id = ANY($1::text[])
        UNION ALL
        SELECT ROW(command_id, type, content, 'parked'::text, reason)
        FROM book.parked WHERE command_id = ANY($1::text[])
    ) AS seen,
    ARRAY(
        SELECT ROW(customer_id, reason)
        FROM book.quarantine WHERE customer_id = ANY($2::text[])
    ) AS quarantined
FROM book.fleet;
