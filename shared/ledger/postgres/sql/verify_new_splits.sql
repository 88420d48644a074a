-- How the VAT of bills that are the first line of their period is split, in a range of customers ($1, $2]:
-- what it depends on and the split, each combination once, with one line that has it.
SELECT
    line.bill_policy_version,
    line.coverage_from,
    line.vat_exempt,
    line.charge - line.discount AS net,
    line.vat,
    document.taxes,
    min((line.customer_id || ' ' || line.seq) COLLATE "C") AS example
FROM book.line
JOIN book.document
    ON document.customer_id = line.customer_id AND document.seq = line.seq
        AND document.bucket = line.bucket
WHERE line.customer_id > $1 AND ($2::text IS NULL OR line.customer_id <= $2)
    AND line.kind = 'bill' AND line.revision = 0
GROUP BY 1, 2, 3, 4, 5, 6;
