-- Identifies the book. A database that replaced it has another oid, a restart of the server changes
-- `started_at`, and `rollforward restored` changes the incarnation.
SELECT
    pg_postmaster_start_time() AS started_at,
    (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS database,
    coalesce((SELECT max(number) FROM book.incarnation), 1) AS incarnation;
