-- Documents: numbered papers of the lines. Only adds; the release before goes on beside it. `migrate` numbers
-- the lines that are there after this file, by the day on which they were recorded (migrate.py).

-- The components of VAT that documents name, append-only.
CREATE TABLE book.tax (
    tax_id integer PRIMARY KEY CHECK (tax_id > 0),
    code text COLLATE "C" NOT NULL,
    rate_ppm integer NOT NULL,
    CONSTRAINT tax_component UNIQUE (code, rate_ppm)
);

-- Documents, append-only: each makes one line of the ledger a paper with a number. The numbers of a series,
-- one kind in one calendar year, begin at 1 and have no gap. `recorded_on` is the local date of the line. A
-- credit note has the negated change of its line. `taxes` is the VAT by component: tax_id (0: what no
-- component taxes), net and tax, three elements for each. A void document is a number that was given out
-- before the book was restored, and belongs to no line.
CREATE TABLE book.document (
    kind text COLLATE "C" NOT NULL
        CHECK (kind IN ('invoice', 'credit_note', 'debit_note', 'receipt')),
    year smallint NOT NULL,
    number integer NOT NULL CHECK (number > 0),
    prefix text COLLATE "C" NOT NULL,
    customer_id text COLLATE "C",
    bucket smallint,
    seq integer,
    issued_on date NOT NULL,
    recorded_on date,
    refers_to text COLLATE "C",
    net bigint NOT NULL,
    vat bigint NOT NULL,
    taxes bigint[] CHECK (cardinality(taxes) % 3 = 0),
    PRIMARY KEY (kind, year, number),
    CONSTRAINT document_year CHECK (year = extract(year FROM issued_on)),
    CONSTRAINT document_line CHECK (num_nulls(customer_id, bucket, seq, recorded_on) IN (0, 4)),
    CONSTRAINT document_void CHECK (customer_id IS NOT NULL OR (net = 0 AND vat = 0))
);
CREATE UNIQUE INDEX document_of_line ON book.document (customer_id, seq, bucket)
    WHERE customer_id IS NOT NULL;

-- How far the lines of each bucket have their documents: all up to `position`.
CREATE TABLE book.numbered (
    bucket smallint PRIMARY KEY,
    position bigint NOT NULL DEFAULT 0
);

CREATE TABLE book_lock.document ();
ALTER TABLE book.difference ADD COLUMN undocumented_lines bigint NOT NULL DEFAULT 0;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON book.tax
    FOR EACH ROW EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON book.tax
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON book.document
    FOR EACH ROW EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON book.document
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change();

-- Checks the series of new documents: each goes on where it ended, without a gap, and not with an earlier
-- day. This holds even on the day on which the lock fails.
CREATE FUNCTION book.check_series() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    broken record;
BEGIN
    SELECT added.kind, added.year, added.first INTO broken
    FROM (
        SELECT
            kind,
            year,
            min(number) AS first,
            max(number) AS last,
            count(*) AS count,
            min(issued_on) AS issued_on
        FROM appended
        GROUP BY kind, year
    ) AS added
    LEFT JOIN book.document AS before
        ON before.kind = added.kind AND before.year = added.year
            AND before.number = added.first - 1
    WHERE added.last - added.first + 1 <> added.count
        OR (added.first > 1 AND before.number IS NULL)
        OR before.issued_on > added.issued_on
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'documents of kind % from number % of % do not follow their series',
            broken.kind, broken.first, broken.year
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER series_holds AFTER INSERT ON book.document REFERENCING NEW TABLE AS appended
    FOR EACH STATEMENT EXECUTE FUNCTION book.check_series();

ALTER TABLE book.tax ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE book.tax ENABLE ALWAYS TRIGGER append_only_truncate;
ALTER TABLE book.document ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE book.document ENABLE ALWAYS TRIGGER append_only_truncate;
ALTER TABLE book.document ENABLE ALWAYS TRIGGER series_holds;

-- Now for documents too.
CREATE OR REPLACE FUNCTION book.make_buckets() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT kind || '_' || bucket
        FROM book.fleet
        CROSS JOIN generate_series(0, fleet.buckets - 1) AS bucket
        CROSS JOIN (VALUES ('bucket'), ('telling')) AS kinds (kind)
        WHERE to_regclass('book_lock.' || kind || '_' || bucket) IS NULL
    LOOP
        EXECUTE format('CREATE TABLE book_lock.%I ()', name);
        EXECUTE format('ALTER TABLE book_lock.%I OWNER TO rollforward_owner', name);
        EXECUTE format('GRANT UPDATE ON book_lock.%I TO rollforward_writer', name);
    END LOOP;
    INSERT INTO book.relay (stream, bucket)
    SELECT stream, bucket
    FROM book.fleet
    CROSS JOIN generate_series(0, fleet.buckets - 1) AS bucket
    CROSS JOIN unnest(ARRAY['line', 'outgoing', 'notice', 'entitlement']) AS stream
    ON CONFLICT DO NOTHING;
    INSERT INTO book.checked (bucket)
    SELECT bucket
    FROM book.fleet
    CROSS JOIN generate_series(0, fleet.buckets - 1) AS bucket
    ON CONFLICT DO NOTHING;
    INSERT INTO book.numbered (bucket)
    SELECT bucket
    FROM book.fleet
    CROSS JOIN generate_series(0, fleet.buckets - 1) AS bucket
    ON CONFLICT DO NOTHING;
END $$;


-- Returns the number that a document prints: INV-2026-000001, its prefix before it.
CREATE FUNCTION book.document_number(prefix text, kind text, year smallint, number integer)
RETURNS text LANGUAGE sql IMMUTABLE
RETURN prefix
    || CASE kind
        WHEN 'invoice' THEN 'INV-'
        WHEN 'credit_note' THEN 'CRN-'
        WHEN 'debit_note' THEN 'DBN-'
        ELSE 'RCT-'
    END
    || year || '-' || lpad(number::text, greatest(6, length(number::text)), '0');

CREATE VIEW report.document AS
SELECT
    book.document_number(document.prefix, document.kind, document.year, document.number) AS number,
    document.kind,
    document.customer_id,
    line.period,
    document.seq,
    line.command_id,
    document.issued_on,
    document.refers_to,
    (document.net * 0.01)::numeric(18,2) AS net,
    (document.vat * 0.01)::numeric(18,2) AS vat,
    ((document.net + document.vat) * 0.01)::numeric(18,2) AS total,
    CASE WHEN document.customer_id IS NULL THEN 'void' ELSE 'issued' END AS status
FROM book.document
LEFT JOIN book.line
    ON line.customer_id = document.customer_id AND line.seq = document.seq
        AND line.bucket = document.bucket;

-- The VAT of documents by component: `tax` of each sums to the document's VAT.
CREATE VIEW report.document_tax AS
SELECT
    book.document_number(document.prefix, document.kind, document.year, document.number) AS number,
    tax.code,
    trim_scale(tax.rate_ppm * 0.0001) AS rate,
    (document.taxes[part.at + 1] * 0.01)::numeric(18,2) AS net,
    (document.taxes[part.at + 2] * 0.01)::numeric(18,2) AS tax
FROM book.document
CROSS JOIN LATERAL generate_series(1, cardinality(document.taxes), 3) AS part (at)
JOIN book.tax ON tax.tax_id = document.taxes[part.at];

-- Lines older than a minute that have no document and should have one.
CREATE VIEW book.undocumented AS
SELECT customer_id, seq
FROM (
    SELECT
        customer_id,
        bucket,
        seq,
        kind,
        bill_seq,
        recorded_at,
        charge - discount - coalesce(lag(charge - discount) OVER by_revision, 0) AS net,
        vat - coalesce(lag(vat) OVER by_revision, 0) AS vat
    FROM book.line
    WINDOW by_revision AS (PARTITION BY customer_id, period ORDER BY revision)
) AS changed
WHERE kind NOT IN ('skip', 'restatement', 'refund')
    AND (kind = 'payment' OR seq = bill_seq OR net <> 0 OR vat <> 0)
    AND recorded_at < statement_timestamp() - interval '1 minute'
    AND NOT EXISTS (
        SELECT FROM book.document
        WHERE document.customer_id = changed.customer_id AND document.seq = changed.seq
            AND document.bucket = changed.bucket
    );

-- Numbers that no document of a series has, up to its last one.
CREATE VIEW book.document_gap AS
SELECT kind, year, max(number) - count(*) AS numbers
FROM book.document
GROUP BY kind, year
HAVING max(number) <> count(*);

CREATE OR REPLACE VIEW report.reconciliation AS
SELECT
    (SELECT count(*) FROM book.broken_chain) AS broken_chains,
    (SELECT coalesce(sum(days), 0) FROM book.gap)::bigint
        + (SELECT coalesce(sum(days), 0) FROM book.behind)::bigint AS uncovered_days,
    (SELECT coalesce(sum(months), 0) FROM book.gap)::bigint
        + (SELECT coalesce(sum(months), 0) FROM book.behind)::bigint AS missing_months,
    (SELECT count(*) FROM book.double_bill) AS double_bills,
    (SELECT count(*) FROM book.hash_break) AS hash_breaks,
    (SELECT coalesce(sum(numbers), 0) FROM book.document_gap)::bigint AS document_gaps,
    (SELECT count(*) FROM book.undocumented) AS undocumented_lines;

-- Owners and rights.
ALTER TABLE book.tax OWNER TO rollforward_owner;
ALTER TABLE book.document OWNER TO rollforward_owner;
ALTER TABLE book.numbered OWNER TO rollforward_owner;
ALTER TABLE book_lock.document OWNER TO rollforward_owner;
ALTER VIEW book.undocumented OWNER TO rollforward_owner;
ALTER VIEW book.document_gap OWNER TO rollforward_owner;
ALTER VIEW report.document OWNER TO rollforward_owner;
ALTER VIEW report.document_tax OWNER TO rollforward_owner;
ALTER FUNCTION book.check_series() OWNER TO rollforward_owner;
ALTER FUNCTION book.document_number(text, text, smallint, integer) OWNER TO rollforward_owner;
REVOKE ALL ON FUNCTION
    book.check_series(), book.document_number(text, text, smallint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION book.document_number(text, text, smallint, integer)
    TO rollforward_reader, rollforward_writer;
GRANT SELECT ON report.document, report.document_tax TO rollforward_reader, rollforward_writer;
GRANT SELECT ON
    book.tax, book.document, book.numbered, book.undocumented, book.document_gap
    TO rollforward_writer;
GRANT INSERT ON book.tax, book.document TO rollforward_writer;
GRANT INSERT, UPDATE ON book.numbered TO rollforward_writer;
GRANT UPDATE ON book_lock.document TO rollforward_writer;
