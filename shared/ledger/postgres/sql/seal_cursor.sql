-- The first transaction that a seal does not cover: all before it have ended.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS cursor, clock_timestamp() AS sealed_at;
