-- Owners, memberships and rights that would let somebody remove the guards or block the writers; missing
-- locks; and child tables, because queries of the parent would include their rows. No row if all is well.
-- `$1` are the tables to check, such as `table book.line`; `$2` those that are append-only.
-- A table's partitions are checked like the table.
WITH ours AS (
    SELECT oid, 'book.' || relname AS name, relname, relowner, relacl
    FROM pg_class
    WHERE relnamespace = 'book'::regnamespace AND 'table book.' || relname = ANY($1::text[])
    UNION ALL
    SELECT part.oid, format('%s.%I', part.relnamespace::regnamespace, part.relname),
        whole.relname, part.relowner, part.relacl
    FROM pg_class AS whole
    CROSS JOIN LATERAL pg_partition_tree(whole.oid) AS tree
    JOIN pg_class AS part ON part.oid = tree.relid
    WHERE whole.relnamespace = 'book'::regnamespace AND whole.relkind = 'p'
        AND 'table book.' || whole.relname = ANY($1::text[]) AND tree.level > 0
),
lock_table AS (
    SELECT 'book_lock.' || relname AS name, relname, relowner, relacl
    FROM pg_class
    WHERE relnamespace = 'book_lock'::regnamespace AND relkind = 'r'
),
wanted_lock AS (
    SELECT kind || '_' || bucket AS relname
    FROM book.fleet
    CROSS JOIN generate_series(0, fleet.buckets - 1) AS bucket
    CROSS JOIN (VALUES ('bucket'), ('telling')) AS kinds (kind)
    UNION ALL
    VALUES ('policy'), ('seal')
),
owned AS (
    SELECT 'TABLE' AS kind, name, relowner AS owner FROM ours
    UNION ALL
    SELECT 'TABLE', name, relowner FROM lock_table JOIN wanted_lock USING (relname)
    UNION ALL
    SELECT 'SCHEMA', nspname, nspowner FROM pg_namespace WHERE nspname IN ('book', 'book_lock')
    UNION ALL
    SELECT 'FUNCTION',
        format('book.%I(%s)', proname, pg_get_function_identity_arguments(oid)), proowner
    FROM pg_proc
    WHERE pronamespace = 'book'::regnamespace AND prokind = 'f'
),
-- Grantee 0 is PUBLIC. SELECT on a lock table (pg_dump needs it) allows no lock mode that blocks a writer.
granted AS (
    SELECT name, privilege_type AS privilege, grantee
    FROM ours
    CROSS JOIN LATERAL aclexplode(relacl)
    WHERE relname = ANY($2::text[]) AND grantee <> relowner
        AND privilege_type IN ('TRIGGER', 'REFERENCES', 'TRUNCATE')
    UNION ALL
    SELECT name, 'REFERENCES (' || quote_ident(attname) || ')', grantee
    FROM ours
    JOIN pg_attribute ON attrelid = ours.oid
    CROSS JOIN LATERAL aclexplode(attacl)
    WHERE relname = ANY($2::text[]) AND grantee <> relowner AND privilege_type = 'REFERENCES'
    UNION ALL
    SELECT name, privilege_type, grantee
    FROM lock_table
    CROSS JOIN LATERAL aclexplode(relacl)
    WHERE privilege_type <> 'SELECT'
        AND grantee NOT IN (relowner, 'rollforward_writer'::regrole)
)
SELECT 'book_lock.' || relname AS "table", 'is missing' AS lacks
FROM wanted_lock
LEFT JOIN lock_table USING (relname)
WHERE lock_table.name IS NULL
UNION ALL
SELECT lower(kind) || ' ' || name,
    format('is owned by %s: ALTER %s %s OWNER TO rollforward_owner', owner::regrole, kind, name)
FROM owned
WHERE owner <> 'rollforward_owner'::regrole
UNION ALL
SELECT name, format('may be changed or locked by %1$s: REVOKE %2$s ON %3$s FROM %1$s',
    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, privilege, name)
FROM granted
UNION ALL
SELECT rolname, CASE
    WHEN rolsuper THEN format('is a superuser: ALTER ROLE %I NOSUPERUSER', rolname)
    ELSE format('may make itself a member of any role: ALTER ROLE %I NOCREATEROLE', rolname)
    END
FROM pg_roles
WHERE rolname IN ('rollforward_writer', 'rollforward_reader') AND (rolsuper OR rolcreaterole)
UNION ALL
SELECT rolname, format(
    'is a member of %1$s, directly or by another role: REVOKE %1$s FROM that member', member_of
)
FROM pg_roles
JOIN (VALUES
    ('rollforward_writer', 'rollforward_owner'),
    ('rollforward_reader', 'rollforward_owner'),
    ('rollforward_reader', 'rollforward_writer')
) AS never (member, member_of) ON member = rolname
WHERE NOT rolsuper AND pg_has_role(rolname, member_of, 'MEMBER')
UNION ALL
SELECT ours.name, format('has the child %1$s: ALTER TABLE %1$s NO INHERIT %2$s',
    inhrelid::regclass, ours.name)
FROM ours
JOIN pg_inherits ON inhparent = ours.oid
JOIN pg_class AS child ON child.oid = inhrelid
WHERE NOT child.relispartition
ORDER BY 1, 2;
