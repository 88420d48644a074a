-- Columns that this release needs and the book lacks or keeps as another type, and columns that
-- the release does not know and that must be given. A wider integer is no fault. No row when all is
-- well. `$1`, `$2`, `$3` are the tables, columns and types of schema.sql.
WITH wanted AS (
    SELECT "table", name, to_regtype(type) AS type
    FROM unnest($1::text[], $2::text[], $3::text[]) AS w ("table", name, type)
),
found AS (
    SELECT relname::text AS "table", attname::text AS name, atttypid::regtype AS type,
        attnotnull AND NOT atthasdef AND attidentity = '' AS required
    FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = to_regnamespace('book') AND relkind IN ('r', 'p')
        AND attnum > 0 AND NOT attisdropped
        AND relname = ANY($1)
)
SELECT
    "table", name,
    CASE
        WHEN found.type IS NULL THEN 'is missing'
        WHEN wanted.type IS NULL THEN 'must be given and is not known to this release'
        ELSE 'is ' || found.type || ', not ' || wanted.type
    END AS trouble
FROM wanted
FULL JOIN found USING ("table", name)
WHERE found.type IS NULL
    OR (wanted.type IS NULL AND found.required)
    OR (wanted.type <> found.type AND NOT (
        wanted.type IN ('smallint'::regtype, 'integer'::regtype)
        AND found.type IN ('integer'::regtype, 'bigint'::regtype)
    ))
ORDER BY 1, 2;
