-- Numbers the documents of lines of some buckets, after one position ($2) and up to another ($3), in the
-- order of positions (of the time at which they were recorded if $5), and moves the cursors. VAT by
-- component comes from the rules: for bills that are the first line of their period by what it depends on
-- ($6 to $9, text of the array $10), for corrections by line ($11, $12, text $13). $4 is the prefix of
-- numbers. Returns how many documents were made.
WITH line AS MATERIALIZED (
    SELECT
        line.*,
        line.paid - coalesce(before.paid, 0) AS money,
        line.charge - line.discount - coalesce(before.net, 0) AS net,
        line.vat - coalesce(before.vat, 0) AS tax,
        CASE
            WHEN line.seq <> line.bill_seq AND (line.standing OR before.standing)
                AND line.kind <> 'payment' THEN line.bill_seq
        END AS refers_to_seq
    FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS span (bucket, after, upto)
    CROSS JOIN LATERAL (
        SELECT
            customer_id, bucket, position, seq, period, revision, kind, charge, discount, vat, paid,
            recorded_at, bill_policy_version, coverage_from, vat_exempt, standing, bill_seq
        FROM book.line
        WHERE line.bucket = span.bucket
            AND line.position > span.after AND line.position <= span.upto
            AND line.kind NOT IN ('skip', 'restatement', 'refund')
        OFFSET 0
    ) AS line
    LEFT JOIN LATERAL (
        SELECT
            prior.charge - prior.discount AS net, prior.vat, prior.paid, prior.standing
        FROM book.line AS prior
        WHERE prior.customer_id = line.customer_id AND prior.period = line.period
            AND prior.revision = line.revision - 1 AND prior.bucket = line.bucket
            AND line.revision > 0
        OFFSET 0
    ) AS before ON true
), paper AS (
    SELECT
        CASE
            WHEN kind = 'payment' THEN 'receipt'
            WHEN seq = bill_seq THEN 'invoice'
            WHEN net + tax > 0 THEN 'debit_note'
            ELSE 'credit_note'
        END COLLATE "C" AS paper,
        *
    FROM line
    WHERE kind = 'payment' OR seq = bill_seq OR net <> 0 OR tax <> 0
), series AS (
    SELECT
        kind.kind,
        day.issued_on,
        day.zone,
        extract(year FROM day.issued_on)::smallint AS year,
        CASE WHEN last.year = extract(year FROM day.issued_on) THEN last.number ELSE 0 END AS number
    FROM unnest(ARRAY['invoice', 'credit_note', 'debit_note', 'receipt'] COLLATE "C") AS kind (kind)
    LEFT JOIN LATERAL (
        SELECT year, number, issued_on FROM book.document
        WHERE document.kind = kind.kind
        ORDER BY year DESC, number DESC
        LIMIT 1
    ) AS last ON true
    CROSS JOIN LATERAL (
        SELECT greatest(
            (clock_timestamp() AT TIME ZONE fleet.zone)::date, last.issued_on
        ) AS issued_on, fleet.zone
        FROM book.fleet
    ) AS day
), numbered AS MATERIALIZED (
    SELECT
        paper.*,
        series.issued_on,
        series.zone,
        series.year,
        (series.number + row_number() OVER (
            PARTITION BY paper.paper
            ORDER BY CASE WHEN $5 THEN paper.recorded_at END, paper.bucket, paper.position
        ))::integer AS number
    FROM paper
    JOIN series ON series.kind = paper.paper
), made AS (
    INSERT INTO book.document (
        kind, year, number, prefix, customer_id, bucket, seq, issued_on, recorded_on, refers_to, net,
        vat, taxes
    )
    SELECT
        numbered.paper,
        numbered.year,
        numbered.number,
        $4,
        numbered.customer_id,
        numbered.bucket,
        numbered.seq,
        numbered.issued_on,
        (numbered.recorded_at AT TIME ZONE numbered.zone)::date,
        CASE WHEN numbered.refers_to_seq IS NOT NULL THEN coalesce(
            (
                SELECT book.document_number(bill.prefix, bill.kind, bill.year, bill.number)
                FROM book.document AS bill
                WHERE bill.customer_id = numbered.customer_id
                    AND bill.seq = numbered.refers_to_seq AND bill.bucket = numbered.bucket
            ),
            book.document_number($4, invoice.paper, invoice.year, invoice.number)
        ) END,
        CASE numbered.paper
            WHEN 'receipt' THEN numbered.money
            WHEN 'credit_note' THEN -numbered.net
            ELSE numbered.net
        END,
        CASE numbered.paper WHEN 'credit_note' THEN -numbered.tax ELSE numbered.tax END,
        coalesce(correction.taxes, bill.taxes)::bigint[]
    FROM numbered
    LEFT JOIN unnest($6::integer[], $7::date[], $8::boolean[], $9::bigint[], $10::text[])
        AS bill (bill_policy_version, coverage_from, vat_exempt, net, taxes)
        ON numbered.kind = 'bill' AND numbered.revision = 0
            AND bill.bill_policy_version = numbered.bill_policy_version
            AND bill.coverage_from = numbered.coverage_from
            AND bill.vat_exempt = numbered.vat_exempt AND bill.net = numbered.net
    LEFT JOIN numbered AS invoice
        ON invoice.customer_id = numbered.customer_id AND invoice.seq = numbered.refers_to_seq
    LEFT JOIN unnest($11::text[], $12::integer[], $13::text[]) AS correction (customer_id, seq, taxes)
        ON correction.customer_id = numbered.customer_id AND correction.seq = numbered.seq
    RETURNING 1
), moved AS (
    UPDATE book.numbered AS cursor SET position = span.upto
    FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS span (bucket, after, upto)
    WHERE cursor.bucket = span.bucket AND cursor.position = span.after
)
SELECT count(*) FROM made;
