-- What the rules know besides accounts, read after the locks; the instant orders the lines.
SELECT
    fleet.business_date,
    clock_timestamp() AS recorded_at,
    (SELECT max(version) FROM book.policy) AS policy_version
FROM book.fleet;
