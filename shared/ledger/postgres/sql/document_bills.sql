-- The bills among the lines of some buckets, after one position and up to another, that are the first line
-- of their period: what their VAT depends on, each combination once.
SELECT DISTINCT
    line.bill_policy_version,
    line.coverage_from,
    line.vat_exempt,
    line.charge - line.discount AS net,
    line.vat
FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS span (bucket, after, upto)
CROSS JOIN LATERAL (
    SELECT bill_policy_version, coverage_from, vat_exempt, charge, discount, vat
    FROM book.line
    WHERE line.bucket = span.bucket
        AND line.position > span.after AND line.position <= span.upto
        AND line.kind = 'bill' AND line.revision = 0
    OFFSET 0
) AS line;
