-- Checks customers of bucket $1, each with all their lines, and stores the figures of
-- report.reconciliation for them: all customers if $2, else those with lines after the bucket's
-- `line_position`. Advances `line_position`.
WITH mark AS (
    SELECT
        CASE WHEN $2::boolean THEN 0 ELSE line_position END AS after,
        (
            SELECT position FROM book.line
            WHERE bucket = $1::smallint ORDER BY position DESC LIMIT 1
        ) AS upto
    FROM book.checked
    WHERE bucket = $1
    FOR UPDATE
), customer AS (
    SELECT customer_id FROM book.line
    WHERE bucket = $1
        AND position > (SELECT after FROM mark) AND position <= (SELECT upto FROM mark)
    UNION
    SELECT customer_id FROM book.account WHERE bucket = $1 AND $2
    UNION
    SELECT customer_id FROM book.difference WHERE bucket = $1 AND $2
), figures AS (
    SELECT
        customer.customer_id,
        (
            SELECT count(*) FROM book.broken_chain
            WHERE broken_chain.customer_id = customer.customer_id
        ) AS broken_chains,
        missing.days AS uncovered_days,
        missing.months AS missing_months,
        (
            SELECT count(*) FROM book.double_bill
            WHERE double_bill.customer_id = customer.customer_id
        ) AS double_bills,
        (
            SELECT count(*) FROM book.hash_break
            WHERE hash_break.customer_id = customer.customer_id
        ) AS hash_breaks,
        (
            SELECT count(*) FROM book.undocumented
            WHERE undocumented.customer_id = customer.customer_id
        ) AS undocumented_lines
    FROM customer
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(days), 0)::bigint AS days, coalesce(sum(months), 0)::bigint AS months
        FROM (
            SELECT days, months FROM book.gap
            WHERE gap.customer_id = customer.customer_id
            UNION ALL
            SELECT days, months FROM book.behind
            WHERE behind.customer_id = customer.customer_id
        ) AS each
    ) AS missing
), kept AS (
    INSERT INTO book.difference AS before (
        customer_id, bucket, broken_chains, uncovered_days, missing_months, double_bills,
        hash_breaks, undocumented_lines
    )
    SELECT
        customer_id, $1, broken_chains, uncovered_days, missing_months, double_bills, hash_breaks,
        undocumented_lines
    FROM figures
    WHERE (
            broken_chains, uncovered_days, missing_months, double_bills, hash_breaks,
            undocumented_lines
        ) <> (0, 0, 0, 0, 0, 0)
        OR customer_id IN (SELECT customer_id FROM book.difference)
    ON CONFLICT (customer_id) DO UPDATE SET
        bucket = excluded.bucket,
        broken_chains = excluded.broken_chains,
        uncovered_days = excluded.uncovered_days,
        missing_months = excluded.missing_months,
        double_bills = excluded.double_bills,
        hash_breaks = excluded.hash_breaks,
        undocumented_lines = excluded.undocumented_lines
)
UPDATE book.checked SET
    line_position = greatest(checked.line_position, mark.upto),
    read_at = CASE WHEN $2 THEN statement_timestamp() ELSE checked.read_at END
FROM mark
WHERE checked.bucket = $1;
