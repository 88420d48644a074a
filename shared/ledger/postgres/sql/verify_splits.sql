-- The lines of corrected periods in a range of customers ($1, $2], in order, each with the taxes of its
-- document; null for none.
SELECT :line_columns(line), document.taxes
FROM book.line
LEFT JOIN book.document
    ON document.customer_id = line.customer_id AND document.seq = line.seq
        AND document.bucket = line.bucket
WHERE line.customer_id > $1 AND ($2::text IS NULL OR line.customer_id <= $2)
    AND EXISTS (
        SELECT FROM book.line AS correction
        WHERE correction.customer_id = line.customer_id AND correction.period = line.period
            AND correction.bucket = line.bucket AND correction.revision > 0
            AND correction.kind NOT IN ('payment', 'refund', 'restatement')
    )
ORDER BY line.customer_id, line.period, line.revision;
