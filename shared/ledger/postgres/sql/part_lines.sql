-- Replaces the empty table of lines by one partitioned by LIST (bucket). The setting
-- `rollforward.line_parts` is the number of partitions, each with the same number of buckets. Keys,
-- indexes, guards (on the table and each partition), rights, and the views that read the table are
-- created again; the views keep their rights.
DO $$
DECLARE
    parts CONSTANT integer := current_setting('rollforward.line_parts');
    size CONSTANT integer := (SELECT buckets / parts FROM book.fleet);
    each record;
    part text;
BEGIN
    LOCK TABLE book.line IN ACCESS EXCLUSIVE MODE;
    ASSERT NOT EXISTS (SELECT FROM book.line), 'the book has lines';
    CREATE TEMPORARY TABLE reads_lines ON COMMIT DROP AS
    SELECT DISTINCT ev_class::regclass::text AS name, pg_get_viewdef(ev_class) AS body
    FROM pg_depend
    JOIN pg_rewrite ON pg_rewrite.oid = objid AND classid = 'pg_rewrite'::regclass
    WHERE refobjid = 'book.line'::regclass AND refclassid = 'pg_class'::regclass;

    CREATE SCHEMA book_whole;
    ALTER TABLE book.line SET SCHEMA book_whole;
    CREATE TABLE book.line (
        LIKE book_whole.line INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING CONSTRAINTS
    ) PARTITION BY LIST (bucket);
    ALTER TABLE book.line ALTER COLUMN bucket SET (n_distinct_inherited = 1);
    EXECUTE format('ALTER TABLE book.line OWNER TO %s', (
        SELECT relowner::regrole FROM pg_class WHERE oid = 'book_whole.line'::regclass
    ));
    FOR each IN
        SELECT conname AS name, pg_get_constraintdef(oid) AS definition
        FROM pg_constraint
        WHERE conrelid = 'book_whole.line'::regclass AND contype IN ('p', 'u')
    LOOP
        EXECUTE format('ALTER TABLE book.line ADD CONSTRAINT %I %s', each.name, each.definition);
    END LOOP;
    FOR each IN
        SELECT pg_get_indexdef(indexrelid) AS definition
        FROM pg_index
        WHERE indrelid = 'book_whole.line'::regclass
            AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
    LOOP
        EXECUTE replace(each.definition, 'book_whole.line', 'book.line');
    END LOOP;
    FOR each IN
        SELECT privilege_type AS privilege, grantee::regrole AS role
        FROM pg_class
        CROSS JOIN LATERAL aclexplode(relacl)
        WHERE pg_class.oid = 'book_whole.line'::regclass AND grantee <> relowner
    LOOP
        EXECUTE format('GRANT %s ON book.line TO %s', each.privilege, each.role);
    END LOOP;

    FOR number IN 0 .. parts - 1 LOOP
        part := 'book.line_' || number;
        EXECUTE format('CREATE TABLE %s PARTITION OF book.line FOR VALUES IN (%s)', part, (
            SELECT string_agg(bucket::text, ', ')
            FROM generate_series(number * size, (number + 1) * size - 1) AS bucket
        ));
        EXECUTE format('ALTER TABLE %s OWNER TO %s', part, (
            SELECT relowner::regrole FROM pg_class WHERE oid = 'book.line'::regclass
        ));
        EXECUTE format(
            'ALTER TABLE %s ALTER bucket SET STATISTICS 1, ALTER bucket SET (n_distinct = 1)', part
        );
    END LOOP;

    -- A trigger of each row is passed on to the partitions, one of each statement is not.
    FOR each IN
        SELECT tgname AS name, tgtype & 1 = 1 AS of_rows, pg_get_triggerdef(oid) AS definition
        FROM pg_trigger
        WHERE tgrelid = 'book_whole.line'::regclass AND NOT tgisinternal
    LOOP
        FOR part IN
            SELECT relid::text FROM pg_partition_tree('book.line')
            WHERE level = 0 OR NOT each.of_rows
        LOOP
            EXECUTE replace(each.definition, 'book_whole.line', part);
        END LOOP;
        FOR part IN SELECT relid::text FROM pg_partition_tree('book.line') LOOP
            EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', part, each.name);
        END LOOP;
    END LOOP;

    FOR each IN SELECT name, body FROM reads_lines LOOP
        EXECUTE format(
            'CREATE OR REPLACE VIEW %s AS %s',
            each.name, replace(each.body, 'book_whole.line', 'book.line')
        );
    END LOOP;
    DROP TABLE book_whole.line;
    DROP SCHEMA book_whole;
END $$;
