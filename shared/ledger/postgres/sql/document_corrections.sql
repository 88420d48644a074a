-- Of periods that were corrected by lines of some buckets, after one position and up to another: all lines
-- up to the last of these, in order, and whether each is one of these.
SELECT :line_columns(line), line.position > span.after AS new
FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS span (bucket, after, upto)
CROSS JOIN LATERAL (
    SELECT line.customer_id, line.period, max(line.seq) AS seq
    FROM (
        SELECT customer_id, period, seq, kind, revision
        FROM book.line
        WHERE line.bucket = span.bucket
            AND line.position > span.after AND line.position <= span.upto
        OFFSET 0
    ) AS line
    WHERE line.kind NOT IN ('payment', 'refund', 'skip', 'restatement')
        AND NOT (line.kind = 'bill' AND line.revision = 0)
    GROUP BY line.customer_id, line.period
) AS corrected
CROSS JOIN LATERAL (
    SELECT * FROM book.line
    WHERE line.customer_id = corrected.customer_id AND line.period = corrected.period
        AND line.bucket = span.bucket AND line.seq <= corrected.seq
    OFFSET 0
) AS line
ORDER BY line.customer_id, line.period, line.revision;
