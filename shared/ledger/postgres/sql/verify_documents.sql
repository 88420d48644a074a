-- The first document of a range of customers ($1, $2] that is not what its line makes it: what differs, what
-- was found, what was expected. Lines that the numbering has not reached may have none. The taxes are only
-- added up here (verify_splits.sql).
WITH line AS (
    SELECT
        line.*,
        charge - discount - coalesce(lag(charge - discount) OVER by_revision, 0) AS net,
        vat - coalesce(lag(vat) OVER by_revision, 0) AS tax,
        paid - coalesce(lag(paid) OVER by_revision, 0) AS money,
        coalesce(lag(standing) OVER by_revision, false) AS stood
    FROM book.line
    WHERE customer_id > $1 AND ($2::text IS NULL OR customer_id <= $2)
    WINDOW by_revision AS (PARTITION BY customer_id, period ORDER BY revision)
), wanted AS (
    SELECT
        line.customer_id,
        line.seq,
        line.bucket,
        line.position,
        paper.kind,
        CASE paper.kind
            WHEN 'receipt' THEN line.money
            WHEN 'credit_note' THEN -line.net
            ELSE line.net
        END AS net,
        CASE paper.kind WHEN 'credit_note' THEN -line.tax ELSE line.tax END AS vat,
        CASE WHEN paper.kind IN ('credit_note', 'debit_note') AND (line.standing OR line.stood)
            AND line.bill_seq > 0 THEN line.bill_seq
        END AS refers_to_seq,
        (line.recorded_at AT TIME ZONE fleet.zone)::date AS recorded_on
    FROM line
    CROSS JOIN book.fleet
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN line.kind = 'payment' THEN 'receipt'
            WHEN line.seq = line.bill_seq THEN 'invoice'
            WHEN line.net + line.tax > 0 THEN 'debit_note'
            WHEN line.net <> 0 OR line.tax <> 0 THEN 'credit_note'
        END AS kind
    ) AS paper
    WHERE line.kind NOT IN ('skip', 'restatement', 'refund') AND paper.kind IS NOT NULL
), document AS (
    SELECT
        *,
        book.document_number(prefix, kind, year, number) AS printed,
        (
            SELECT coalesce(sum(taxes[at + 2]), 0)
            FROM generate_series(1, cardinality(taxes), 3) AS at
        ) AS taxed
    FROM book.document
    WHERE customer_id > $1 AND ($2::text IS NULL OR customer_id <= $2)
)
SELECT coalesce(wanted.customer_id, document.customer_id), coalesce(wanted.seq, document.seq), differs.what, differs.found, differs.expected
FROM wanted
FULL JOIN document USING (customer_id, seq, bucket)
LEFT JOIN (
    SELECT customer_id AS of_customer, seq AS of_seq, printed FROM document
) AS bill ON bill.of_customer = wanted.customer_id AND bill.of_seq = wanted.refers_to_seq
LEFT JOIN book.numbered ON numbered.bucket = wanted.bucket
CROSS JOIN LATERAL (
    SELECT fault.what, fault.found, fault.expected
    FROM (VALUES
        ('the document', 'none', 'of kind ' || wanted.kind,
            document.printed IS NULL AND wanted.position <= numbered.position),
        ('the document', document.printed, 'none', wanted.kind IS NULL),
        ('the kind of ' || document.printed, document.kind, wanted.kind,
            document.kind <> wanted.kind),
        ('net of ' || document.printed, document.net::text, wanted.net::text,
            document.net <> wanted.net),
        ('VAT of ' || document.printed, document.vat::text, wanted.vat::text,
            document.vat <> wanted.vat),
        ('the sum of the taxes of ' || document.printed, document.taxed::text, wanted.vat::text,
            document.taxed <> wanted.vat),
        ('what ' || document.printed || ' refers to', coalesce(document.refers_to, 'none'),
            coalesce(bill.printed, 'none'),
            document.printed IS NOT NULL AND document.refers_to IS DISTINCT FROM bill.printed),
        ('the day of the line of ' || document.printed, document.recorded_on::text,
            wanted.recorded_on::text, document.recorded_on <> wanted.recorded_on)
    ) AS fault (what, found, expected, wrong)
    WHERE wrong
    LIMIT 1
) AS differs
ORDER BY 1, 2
LIMIT 1;
