-- What the hourly check has found so far, and how old that is: the oldest full read of any bucket in
-- Unix seconds (null if some bucket was never read), and the share of buckets that had a full read in
-- the last $1 seconds. Of documents it looks at the last thousand numbers of each kind.
SELECT
    oldest.read_at,
    oldest.reach,
    found.*
FROM (
    SELECT
        CASE WHEN bool_and(read_at IS NOT NULL) THEN
            extract(epoch FROM min(read_at))::float8
        END AS read_at,
        (count(*) FILTER (WHERE read_at > now() - make_interval(secs => $1::integer)))::float8
            / count(*) AS reach
    FROM book.checked
) AS oldest
CROSS JOIN (
    SELECT
        coalesce(sum(broken_chains), 0)::bigint AS broken_chains,
        coalesce(sum(uncovered_days), 0)::bigint AS uncovered_days,
        coalesce(sum(missing_months), 0)::bigint AS missing_months,
        coalesce(sum(double_bills), 0)::bigint AS double_bills,
        coalesce(sum(hash_breaks), 0)::bigint AS hash_breaks,
        (
            SELECT coalesce(sum(least(last.number, 1000) - present.numbers), 0)
            FROM unnest(ARRAY['invoice', 'credit_note', 'debit_note', 'receipt'] COLLATE "C")
                AS kind (kind)
            CROSS JOIN LATERAL (
                SELECT year, number FROM book.document
                WHERE document.kind = kind.kind
                ORDER BY year DESC, number DESC
                LIMIT 1
            ) AS last
            CROSS JOIN LATERAL (
                SELECT count(*) AS numbers FROM book.document
                WHERE document.kind = kind.kind AND document.year = last.year
                    AND document.number > last.number - 1000
            ) AS present
        )::bigint AS document_gaps,
        coalesce(sum(undocumented_lines), 0)::bigint AS undocumented_lines
    FROM book.difference
) AS found;
