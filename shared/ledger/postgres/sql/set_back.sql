-- Sequences that would give a position a second time, because they were reset or the book was loaded
-- without their values. No row if all is well. Sequences are read after the positions: a correct one only
-- rises, so it cannot be behind them. book.parked is left out: it has no index by position.
WITH newest AS (
    SELECT of_bucket.name, max(of_bucket.position) AS position
    FROM book.fleet
    CROSS JOIN generate_series(0, fleet.buckets - 1) AS number
    CROSS JOIN LATERAL (VALUES
        ('line', (SELECT max(position) FROM book.line WHERE bucket = number)),
        ('command', (SELECT max(position) FROM book.command WHERE bucket = number)),
        ('conflict', (SELECT max(position) FROM book.conflict WHERE bucket = number)),
        ('outgoing', (SELECT max(position) FROM book.outgoing WHERE bucket = number)),
        ('notice', (SELECT max(position) FROM book.notice WHERE bucket = number)),
        ('entitlement', (SELECT max(position) FROM book.entitlement WHERE bucket = number))
    ) AS of_bucket (name, position)
    GROUP BY of_bucket.name
    UNION ALL
    -- Cursors count too: published rows of book.outgoing are deleted.
    SELECT stream, max(position) FROM book.relay GROUP BY stream
)
SELECT
    'book.' || relname AS "table",
    'would give positions again: it is at ' || coalesce(pg_sequence_last_value(oid), 0)
        || ', and ' || max(position) || ' was given: SELECT setval(''book.' || relname || ''', '
        || max(position) || ')' AS lacks
FROM newest
JOIN pg_class ON relnamespace = 'book'::regnamespace AND relkind = 'S'
    AND relname IN (name || '_position', name || '_position_seq')
GROUP BY oid, relname
HAVING max(position) > coalesce(pg_sequence_last_value(oid), 0)
ORDER BY 1;
