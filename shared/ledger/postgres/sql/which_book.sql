-- Which book this is. One put in its place has another oid, or its server was started again; one
-- that a person has looked at has another incarnation.
SELECT
    pg_postmaster_start_time() AS started_at,
    (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS database,
    coalesce((SELECT max(number) FROM book.incarnation), 1) AS incarnation;
