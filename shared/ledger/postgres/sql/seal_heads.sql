-- What a seal covers of each customer, by id: seq and hash of their last line, the number of their
-- outcomes, and a hash over these outcomes and then the conflicting duplicates. For each bucket (element
-- bucket + 1) rows after one position and up to another count: lines after $1 up to $2, outcomes after
-- $3 up to $4, conflicting duplicates after $5 up to $6. Ticks, which have no customer, come last. The
-- canonical form of an outcome is like that of a line: one field per row, UTF-8; ce_id and ce_source only
-- where they are known. OFFSET 0 keeps the planner from joining the buckets with whole tables: it then
-- searches the index once per bucket.
SELECT customer_id, head.seq, encode(head.hash, 'hex') AS hash, outcomes.count, outcomes.digest
FROM (
    SELECT DISTINCT ON (line.customer_id) line.customer_id, line.seq, line.hash
    FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS span (after, upto, place)
    CROSS JOIN LATERAL (
        SELECT line.customer_id, line.seq, line.hash FROM book.line
        WHERE line.bucket = span.place - 1
            AND line.position > span.after AND line.position <= span.upto
        OFFSET 0
    ) AS line
    ORDER BY line.customer_id, line.seq DESC
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
        SELECT false AS conflicts, command.*
        FROM unnest($3::bigint[], $4::bigint[]) WITH ORDINALITY AS span (after, upto, place)
        CROSS JOIN LATERAL (
            SELECT
                position, customer_id, command_id, type, content, outcome, reason, recorded_at,
                ce_id, ce_source
            FROM book.command
            WHERE command.bucket = span.place - 1
                AND command.position > span.after AND command.position <= span.upto
            OFFSET 0
        ) AS command
        UNION ALL
        SELECT true, conflict.*
        FROM unnest($5::bigint[], $6::bigint[]) WITH ORDINALITY AS span (after, upto, place)
        CROSS JOIN LATERAL (
            SELECT
                position, customer_id, command_id, type, content, 'conflict',
                'conflicting_duplicate', recorded_at, ce_id, ce_source
            FROM book.conflict
            WHERE conflict.bucket = span.place - 1
                AND conflict.position > span.after AND conflict.position <= span.upto
            OFFSET 0
        ) AS conflict
    ) AS judged
    GROUP BY customer_id
) AS outcomes USING (customer_id)
ORDER BY customer_id
