-- What a session waits for: the lock (kind and object) and the sessions that hold it, else its wait
-- event; null where we may not see it.
SELECT
    (
        SELECT concat_ws(' ', locktype, relation::regclass::text, mode)
        FROM pg_locks WHERE pid = $1 AND NOT granted LIMIT 1
    ) AS lock,
    ARRAY(
        SELECT concat_ws(' ', holder.pid, nullif(application_name, ''))
        FROM (SELECT DISTINCT unnest(pg_blocking_pids($1)) AS pid) AS holder
        LEFT JOIN pg_stat_activity USING (pid)
        ORDER BY holder.pid
    ) AS holders,
    (
        SELECT concat_ws(' ', wait_event_type, wait_event) FROM pg_stat_activity WHERE pid = $1
    ) AS event;
