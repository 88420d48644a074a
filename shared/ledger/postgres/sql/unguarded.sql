-- Append-only tables, including their partitions and child tables, that workers may change or that lack a
-- trigger set to ENABLE ALWAYS; and trigger functions that no longer refuse. No row if all is well. `$1`
-- are the append-only tables of schema book.
WITH RECURSIVE guarded AS (
    SELECT oid, oid AS root FROM pg_class
    WHERE relnamespace = 'book'::regnamespace AND relname = ANY($1::text[])
    UNION
    SELECT inhrelid, root FROM pg_inherits JOIN guarded ON guarded.oid = inhparent
),
-- Bits of tgtype: 1 each row, 2 before, 8 delete, 16 update, 32 truncate.
guard AS (
    SELECT tgrelid AS oid, tgtype, tgfoid AS function
    FROM pg_trigger
    WHERE tgenabled = 'A' AND tgqual IS NULL AND tgattr = ''
)
SELECT relnamespace::regnamespace || '.' || relname AS table, missing.lacks
FROM guarded
JOIN pg_class USING (oid)
CROSS JOIN LATERAL (
    SELECT 'lacks its guard against UPDATE and DELETE' AS lacks
    WHERE NOT EXISTS (
        SELECT FROM guard
        WHERE guard.oid = guarded.oid AND function = 'book.refuse_change'::regproc
            AND tgtype = 1 + 2 + 8 + 16
    )
    UNION ALL
    SELECT 'lacks its guard against TRUNCATE'
    WHERE NOT EXISTS (
        SELECT FROM guard
        WHERE guard.oid = guarded.oid AND function = 'book.refuse_change'::regproc
            AND tgtype = 2 + 32
    )
    UNION ALL
    SELECT 'may be changed by rollforward_writer'
    WHERE has_table_privilege('rollforward_writer', guarded.oid, 'UPDATE, DELETE, TRUNCATE')
        OR has_any_column_privilege('rollforward_writer', guarded.oid, 'UPDATE')
    UNION ALL
    SELECT 'lacks its check of the chain'
    WHERE root = 'book.line'::regclass AND NOT EXISTS (
        SELECT FROM guard
        WHERE guard.oid = guarded.oid AND function = 'book.check_chain'::regproc
    )
    UNION ALL
    -- Only in partitions: shape.sql covers the triggers of the table itself.
    SELECT format('has the trigger %s, which is not ours', tgname) AS lacks
    FROM pg_trigger
    WHERE tgrelid = guarded.oid AND guarded.oid <> root AND NOT tgisinternal
        AND tgfoid NOT IN ('book.refuse_change'::regproc, 'book.check_chain'::regproc)
) AS missing
UNION ALL
SELECT 'book.refuse_change()', 'does not refuse'
FROM pg_proc
WHERE oid = 'book.refuse_change'::regproc
    AND prosrc !~ '^\s*BEGIN\s+RAISE EXCEPTION .*refused'
ORDER BY 1, 2;
