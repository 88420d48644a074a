-- What a seal covers of each customer, in the order of their ids: the end of their chain, how many
-- outcomes they have, and a hash of these and of the conflicting duplicates after them; only
-- transactions before the cursor. Ticks, which are nobody's, come last. The form of an outcome
-- is that of a line: a field a row, UTF-8; the event's two fields only where they are known.
SELECT customer_id, head.seq, encode(head.hash, 'hex') AS hash, outcomes.count, outcomes.digest
FROM (
    SELECT DISTINCT ON (customer_id) customer_id, seq, hash
    FROM book.line
    WHERE xid < $1::text::xid8
    ORDER BY customer_id, seq DESC
) AS head
FULL JOIN (
    SELECT
        customer_id,
        count(*) FILTER (WHERE NOT conflicts) AS count,
        encode(sha256(convert_to(string_agg(concat_ws(
            E'\n',
            command_id,
            type,
            replace(replace(content, E'\\', E'\\\\'), E'\n', E'\\n'),
            outcome,
            coalesce(reason, E'\\N'),
            to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            replace(replace(ce_id, E'\\', E'\\\\'), E'\n', E'\\n'),
            replace(replace(ce_source, E'\\', E'\\\\'), E'\n', E'\\n')
        ), E'\n' ORDER BY conflicts, position), 'UTF8')), 'hex') AS digest
    FROM (
        SELECT
            false AS conflicts, position, customer_id, command_id, type, content, outcome, reason,
            recorded_at, ce_id, ce_source
        FROM book.command
        WHERE xid < $1::text::xid8
        UNION ALL
        SELECT
            true, position, customer_id, command_id, type, content, 'conflict',
            'conflicting_duplicate', recorded_at, ce_id, ce_source
        FROM book.conflict
        WHERE xid < $1::text::xid8
    ) AS judged
    GROUP BY customer_id
) AS outcomes USING (customer_id)
ORDER BY customer_id
