-- Rollforward: the whole book on one page.
--
-- Schema `book` is internal: amounts are bigint minor units, percentages are parts per million, day
-- ranges are half open, in the business zone. Schema `report` is for readers outside.
-- Whatever must never happen is prevented by a constraint or trigger here, and then by a check in code.

CREATE SCHEMA book;
CREATE SCHEMA report;

-- The migrations that were applied.
CREATE TABLE book.migration (
    name text PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The settings and state of the whole fleet: one row. The number of buckets never changes, because a
-- customer's bucket is the hash of their id modulo that number. It is a multiple of the number of
-- partitions of Kafka's topics: a customer's partition is their bucket modulo the partitions, so the
-- partitions can be multiplied later.
CREATE TABLE book.fleet (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    partitions smallint NOT NULL CHECK (partitions > 0),
    zone text NOT NULL,
    business_date date,
    notices_held boolean NOT NULL DEFAULT false,
    buckets smallint NOT NULL,
    CONSTRAINT fleet_buckets CHECK (buckets % partitions = 0)
);

-- One row per restore to an earlier state, append-only. A book that was never restored is incarnation 1
-- and has no row. Lines after `line_position` belong to this incarnation or a later one.
CREATE TABLE book.incarnation (
    number integer PRIMARY KEY CHECK (number > 1),
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text NOT NULL,
    line_position bigint NOT NULL
);

-- Policy versions, append-only. `source` is the text of the applied file.
CREATE TABLE book.policy (
    version integer PRIMARY KEY CHECK (version > 0),
    source text NOT NULL,
    grace_days integer NOT NULL CHECK (grace_days >= 0),
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Terms that customers have or had, append-only. Customers with equal terms share a row, which is found
-- by `digest`, the SHA-256 of the text of `content`. If a customer's terms change, their account refers
-- to another row.
CREATE TABLE book.terms (
    terms_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    digest bytea NOT NULL UNIQUE,
    content jsonb NOT NULL,
    CONSTRAINT terms_digest CHECK (digest = sha256(convert_to(content::text, 'UTF8')))
);

-- The price lists of the policy versions: what a code costs a cycle from a day on, for the views. Workers
-- read the file of the version itself.
CREATE TABLE book.price (
    code text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    starts date NOT NULL,
    amount bigint NOT NULL CHECK (amount >= 0),
    name text,
    PRIMARY KEY (code, version, starts)
);

-- Customers: the facts of the signup, their terms and contact; no amounts but the opening due.
-- `contact` has their name and so on with days, their username and `grace_until`. Bills up to
-- `untold_seq` are told to nobody, because a silent signup made them.
-- `terms_id` is not a foreign key: each signup would lock a row of terms that many customers share. A bill
-- run reads accounts from the index `account_bucket` alone, so the index includes all columns it needs.
CREATE TABLE book.account (
    customer_id text COLLATE "C" PRIMARY KEY,
    bucket smallint NOT NULL,
    joined_on date NOT NULL,
    bill_from date NOT NULL CHECK (bill_from >= joined_on),
    opening_due bigint NOT NULL,
    terms_id bigint NOT NULL,
    contact jsonb NOT NULL,
    next_change_on date,
    untold_seq integer NOT NULL DEFAULT 0
);
CREATE INDEX account_bucket ON book.account (bucket, customer_id)
    INCLUDE (joined_on, bill_from, opening_due, terms_id);
CREATE INDEX account_next_change ON book.account (bucket, next_change_on)
    WHERE next_change_on IS NOT NULL;

-- Which customer goes by a username: once in the fleet. Customers of different buckets may ask for the
-- same one at the same time; then the key decides, and the batch that lost is judged again.
CREATE TABLE book.username (
    username text COLLATE "C" PRIMARY KEY,
    customer_id text COLLATE "C" NOT NULL
);

-- The ledger, append-only. A line has the totals of one period after one command. The columns up to
-- `hash` are those of report.ledger (docs/ledger.md); the next ones, up to `granted_vat`, let a later
-- command read a period from its latest line alone, as do the last four, which are null where they say what most lines do:
-- `made_on`, the day on which the period's row was made, and `asked_on`, on which the period is asked for
-- (null: `coverage_from`); `gifts`, what granted discounts come to in full, VAT included, and the VAT share of
-- it (null: what they take, `granted_discount` and `granted_vat`). `position` is assigned while the customer's bucket is locked, so
-- within a bucket it rises in commit order; the relay and seals rely on this.
CREATE TABLE book.line (
    customer_id text COLLATE "C" NOT NULL,
    seq integer NOT NULL CHECK (seq > 0),
    period text COLLATE "C" NOT NULL,
    revision integer NOT NULL CHECK (revision >= 0),
    kind text NOT NULL CHECK (kind IN ('bill', 'skip', 'extension', 'proration', 'discount',
        'adjustment', 'payment', 'refund', 'reversal', 'restatement')),
    previous_due bigint NOT NULL,
    charge bigint NOT NULL,
    discount bigint NOT NULL,
    vat bigint NOT NULL,
    paid bigint NOT NULL,
    due bigint NOT NULL,
    coverage_from date NOT NULL,
    coverage_to date NOT NULL,
    command_id text COLLATE "C" NOT NULL,
    reverses text COLLATE "C",
    effective_on date NOT NULL,
    actor text,
    reason text,
    policy_version integer NOT NULL,
    recorded_at timestamptz NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    anchor_day smallint NOT NULL CHECK (anchor_day BETWEEN 1 AND 31),
    discount_ppm integer NOT NULL,
    vat_exempt boolean NOT NULL,
    bill_policy_version integer NOT NULL,
    standing boolean NOT NULL,
    bill_seq integer NOT NULL CHECK (bill_seq BETWEEN 0 AND seq AND NOT (standing AND bill_seq = 0)),
    adjusted_charge bigint NOT NULL,
    adjusted_vat bigint NOT NULL,
    granted_discount bigint NOT NULL,
    granted_vat bigint NOT NULL,
    bucket smallint NOT NULL,
    position bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    made_on date,
    asked_on date,
    gifts bigint,
    gifts_vat bigint,
    PRIMARY KEY (customer_id, seq, bucket),
    CONSTRAINT line_revision UNIQUE (customer_id, period, revision, bucket),
    CONSTRAINT line_rolls_forward CHECK (due = previous_due + charge - discount + vat - paid),
    CONSTRAINT line_covers_days CHECK (coverage_from < coverage_to)
);
CREATE INDEX line_outbox ON book.line (bucket, position);
CREATE INDEX line_posting ON book.line (customer_id, period)
    WHERE kind IN ('payment', 'discount', 'adjustment', 'refund', 'reversal');

-- The outcome of each command, append-only. `content` is the command as canonical JSON: an event with
-- the same command id is compared with it. `ce_id` and `ce_source` identify the event of the command; null
-- if it was judged before these columns existed. A tick has no customer: its bucket is computed from its
-- period as if that were a customer id.
CREATE TABLE book.command (
    command_id text COLLATE "C" PRIMARY KEY,
    customer_id text COLLATE "C",
    type text NOT NULL,
    content text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('accepted', 'refused')),
    reason text CHECK ((reason IS NOT NULL) = (outcome = 'refused')),
    recorded_at timestamptz NOT NULL,
    bucket smallint NOT NULL,
    position bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    ce_id text,
    ce_source text,
    CONSTRAINT command_event CHECK ((ce_id IS NULL) = (ce_source IS NULL))
);
CREATE INDEX command_customer ON book.command (customer_id, position);
CREATE INDEX command_order ON book.command (bucket, position);
CREATE INDEX command_refused ON book.command (recorded_at) WHERE outcome = 'refused';

-- Conflicting duplicates, append-only: events whose command id was used before with other content. The
-- first outcome stands. The later event is stored here, once however often it is delivered: `digest` is
-- SHA-256 over type, content, ce_id and ce_source.
CREATE TABLE book.conflict (
    command_id text COLLATE "C" NOT NULL,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    customer_id text COLLATE "C",
    type text NOT NULL,
    content text NOT NULL,
    ce_id text NOT NULL,
    ce_source text NOT NULL,
    recorded_at timestamptz NOT NULL,
    bucket smallint NOT NULL,
    position bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (command_id, digest)
);
CREATE INDEX conflict_order ON book.conflict (bucket, position);
CREATE INDEX conflict_recorded ON book.conflict (recorded_at);

-- Seals, append-only and chained. A seal covers lines, outcomes and conflicting duplicates up to a
-- position in each bucket (element bucket + 1), and policy versions up to `policies`. It covers either
-- everything up to there, or only what was added since the previous seal; its hash includes that seal's.
-- `cursor` states which of the two, and repeats the positions (in seals made before buckets had
-- positions it is a transaction id). The counts are informational; the roots already commit to them.
CREATE TABLE book.seal (
    number integer PRIMARY KEY CHECK (number > 0),
    sealed_at timestamptz NOT NULL,
    cursor text NOT NULL,
    customers bigint NOT NULL,
    lines bigint NOT NULL,
    commands bigint NOT NULL,
    policies bigint NOT NULL,
    heads_root bytea NOT NULL CHECK (length(heads_root) = 32),
    policies_root bytea NOT NULL CHECK (length(policies_root) = 32),
    previous bytea NOT NULL CHECK (length(previous) = 32),
    hash bytea NOT NULL CHECK (length(hash) = 32),
    lines_upto bigint[] NOT NULL,
    commands_upto bigint[] NOT NULL,
    conflicts_upto bigint[] NOT NULL
);

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

-- Commands that cannot be judged yet, in the order of arrival.
CREATE TABLE book.parked (
    command_id text COLLATE "C" PRIMARY KEY,
    customer_id text COLLATE "C" NOT NULL,
    type text NOT NULL,
    content text NOT NULL,
    reason text NOT NULL,
    parked_at timestamptz NOT NULL,
    bucket smallint NOT NULL,
    position bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    ce_id text,
    ce_source text
);
CREATE INDEX parked_customer ON book.parked (customer_id, position);

-- Customers set apart until a person resolves the problem. Their commands are parked, and runs do not
-- bill them.
CREATE TABLE book.quarantine (
    customer_id text COLLATE "C" PRIMARY KEY,
    reason text NOT NULL,
    since timestamptz NOT NULL,
    bucket smallint NOT NULL
);

-- Which live payments hold a reference; method and reference as they are compared, case and outer spaces
-- aside. Several may hold one if all of them say that they share it. `payments` are their command ids,
-- separated by spaces. Cancelling a payment frees its reference.
CREATE TABLE book.payment_reference (
    method text COLLATE "C" NOT NULL,
    reference text COLLATE "C" NOT NULL,
    payments text COLLATE "C" NOT NULL,
    shared boolean NOT NULL,
    PRIMARY KEY (method, reference)
);

-- The position of each consumer group. It moves in the batch's own transaction, and only from the offset
-- at which the batch began: a zombie updates no row and must abort. A position belongs to one topic of one
-- cluster; a topic that was deleted and created again has another id. `halted` is why a partition waits for a
-- person, stored because Kafka may not show the cause again. `furthest` is the highest offset that
-- was reached in this topic before a person moved the position back; 0 if none did.
CREATE TABLE book.position (
    consumer text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    topic_id uuid, -- null: the broker has no ids, or not read since the book stores them
    cluster_id text,
    halted text,
    furthest bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (consumer, topic, partition)
);

-- One run per accepted tick. A unique index allows one claimed, unfinished run per month.
CREATE TABLE book.run (
    tick_id text COLLATE "C" PRIMARY KEY,
    period text COLLATE "C" NOT NULL,
    as_of date NOT NULL,
    trigger text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    claimed_at timestamptz,
    finished_at timestamptz
);
CREATE UNIQUE INDEX run_period_claimed ON book.run (period)
    WHERE claimed_at IS NOT NULL AND finished_at IS NULL;
CREATE INDEX run_unfinished ON book.run (started_at) WHERE finished_at IS NULL;

-- The pages of a run. Each bills the customers of buckets [first_bucket, end_bucket), in order.
-- `at_bucket` and `after`, a customer id, are the place after which it continues.
CREATE TABLE book.page (
    tick_id text COLLATE "C" NOT NULL REFERENCES book.run,
    number smallint NOT NULL,
    first_bucket smallint NOT NULL,
    end_bucket smallint NOT NULL,
    sent_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    at_bucket smallint NOT NULL,
    after text COLLATE "C" NOT NULL DEFAULT '',
    billed bigint NOT NULL DEFAULT 0,
    skipped bigint NOT NULL DEFAULT 0,
    already_billed bigint NOT NULL DEFAULT 0,
    quarantined bigint NOT NULL DEFAULT 0,
    finished_at timestamptz,
    PRIMARY KEY (tick_id, number)
);

-- The outbox of all other messages: refusals, dead letters, rechecks. The relay publishes the rows of a
-- bucket in the order of `position`, which is assigned while the bucket is locked, and then deletes them;
-- what must be kept is in other tables. The bucket is computed from the message key.
CREATE TABLE book.outgoing (
    bucket smallint NOT NULL,
    position bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    topic text NOT NULL,
    key bytea,
    value bytea,
    headers text NOT NULL, -- JSON; jsonb would refuse a header's name that holds U+0000
    PRIMARY KEY (bucket, position)
);

-- The relay's cursors, one per stream and bucket: all rows up to `position` were published.
CREATE TABLE book.relay (
    stream text NOT NULL CHECK (stream IN ('line', 'outgoing', 'notice', 'entitlement')),
    bucket smallint NOT NULL,
    position bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (stream, bucket)
);

-- Notices to customers, and their outbox. The id is derived from the command that caused the notice, so
-- it is the same if a restored book applies the command again. After a restore, notices are `held` until
-- a person releases them. When a notice may be published, it gets a `position`, under the bucket's
-- `telling` lock, with the phone, language and incarnation of that moment.
CREATE TABLE book.notice (
    notice_id text COLLATE "C" PRIMARY KEY,
    customer_id text COLLATE "C" NOT NULL,
    kind text NOT NULL CHECK (kind IN ('due', 'receipt', 'refund', 'correction')),
    period text COLLATE "C" NOT NULL,
    amount bigint NOT NULL,
    text text NOT NULL,
    segments smallint NOT NULL,
    status text NOT NULL DEFAULT 'requested',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    bucket smallint NOT NULL,
    position bigint,
    requested_at timestamptz,
    phone text,
    language text,
    incarnation integer,
    CONSTRAINT notice_published CHECK (position IS NULL
        OR (requested_at, phone, language, incarnation) IS NOT NULL)
);
CREATE INDEX notice_held ON book.notice (customer_id) WHERE status = 'held';
CREATE INDEX notice_outbox ON book.notice (bucket, position) WHERE position IS NOT NULL;
CREATE SEQUENCE book.notice_position AS bigint OWNED BY book.notice.position;

-- The newest entitlement of each customer, with the book's incarnation, and the outbox of entitlements:
-- every change assigns a new `position`, under the bucket's `telling` lock. If an entitlement changes
-- twice before the relay reads it, only the newer value is published.
CREATE TABLE book.entitlement (
    customer_id text COLLATE "C" PRIMARY KEY,
    expires_on date,
    status text NOT NULL,
    seq integer NOT NULL,
    incarnation integer NOT NULL DEFAULT 1,
    bucket smallint NOT NULL,
    position bigint NOT NULL,
    changed_at timestamptz NOT NULL,
    username text, -- null: published before entitlements had it
    package text
);
CREATE INDEX entitlement_outbox ON book.entitlement (bucket, position);
CREATE SEQUENCE book.entitlement_position AS bigint OWNED BY book.entitlement.position;

-- The progress of the hourly check of report.reconciliation in each bucket. Customers with a line up to
-- `line_position` were checked after that line was written. `read_at` is when all customers of the bucket
-- were last checked; null: never.
CREATE TABLE book.checked (
    bucket smallint PRIMARY KEY,
    line_position bigint NOT NULL DEFAULT 0,
    read_at timestamptz
);

-- The results of that check, for customers in whom it found a fault: the figures as of the customer's
-- latest check. All are 0 once the fault is gone.
CREATE TABLE book.difference (
    customer_id text COLLATE "C" PRIMARY KEY,
    bucket smallint NOT NULL,
    broken_chains bigint NOT NULL,
    uncovered_days bigint NOT NULL,
    missing_months bigint NOT NULL,
    double_bills bigint NOT NULL,
    hash_breaks bigint NOT NULL,
    undocumented_lines bigint NOT NULL DEFAULT 0
);

-- Locks ----------------------------------------------------------------------------------------

-- Each lock is an empty table without columns. A transaction takes it in EXCLUSIVE mode and keeps it until
-- it ends. Only the writer may lock these tables, whereas any login may take an advisory lock.
-- `bucket_N`: writing customers of bucket N, and their outgoing messages. `telling_N`: writing their
-- notices and entitlements. `rollforward migrate` creates both.
CREATE SCHEMA book_lock;
CREATE TABLE book_lock.policy (); -- appending a policy version
CREATE TABLE book_lock.seal (); -- sealing
CREATE TABLE book_lock.document (); -- numbering documents

-- Takes locks one after the other, in the order given, and keeps them until the transaction ends.
CREATE FUNCTION book.lock(names text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY names LOOP
        EXECUTE format('LOCK TABLE book_lock.%I IN EXCLUSIVE MODE', name);
    END LOOP;
END $$;

-- Creates missing locks, relay cursors and rows of book.checked and book.numbered for the fleet's buckets.
CREATE FUNCTION book.make_buckets() RETURNS void LANGUAGE plpgsql AS $$
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

-- The buckets that other transactions hold at this moment; every login may read pg_locks. Weaker locks,
-- such as those of pg_dump and vacuum, are left out, because their holders write no lines.
CREATE VIEW book.writing AS
SELECT pg_class.relname AS bucket, pg_locks.virtualtransaction AS writer
FROM pg_locks
JOIN pg_class ON pg_class.oid = pg_locks.relation
WHERE pg_locks.locktype = 'relation'
    AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND pg_class.relnamespace = 'book_lock'::regnamespace
    AND pg_class.relname LIKE 'bucket%'
    AND pg_locks.mode = 'ExclusiveLock'
    AND pg_locks.granted
    AND pg_locks.pid <> pg_backend_pid();

-- Guards ---------------------------------------------------------------------------------------

-- Append-only for everyone, including the owner and sessions with session_replication_role = replica
-- (ENABLE ALWAYS).
CREATE FUNCTION book.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege', HINT = 'Append a correction instead.';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON book.terms
    FOR EACH ROW EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON book.terms
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON book.line
    FOR EACH ROW EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON book.line
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON book.command
    FOR EACH ROW EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON book.command
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON book.conflict
    FOR EACH ROW EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON book.conflict
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON book.policy
    FOR EACH ROW EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON book.policy
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON book.price
    FOR EACH ROW EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON book.price
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON book.seal
    FOR EACH ROW EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON book.seal
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON book.tax
    FOR EACH ROW EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON book.tax
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON book.document
    FOR EACH ROW EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON book.document
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON book.incarnation
    FOR EACH ROW EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON book.incarnation
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change();

-- Checks the chain of new lines: each has the customer's next seq and its period's next revision, its
-- `previous_due` is the due of the period before, and no bill replaces a standing one.
CREATE FUNCTION book.check_chain() RETURNS trigger LANGUAGE plpgsql
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE
    broken record;
BEGIN
    SELECT added.customer_id, added.seq INTO broken
    FROM appended AS added
    LEFT JOIN book.line AS last
        ON last.customer_id = added.customer_id AND last.seq = added.seq - 1
            AND last.bucket = added.bucket
    WHERE (added.seq > 1 AND last.seq IS NULL)
        OR (added.seq = 1 AND NOT EXISTS (
            SELECT FROM book.account
            WHERE account.customer_id = added.customer_id AND account.bucket = added.bucket
        ))
        OR (added.revision = 0 AND added.seq > 1 AND added.previous_due IS DISTINCT FROM
            CASE WHEN last.coverage_to = added.coverage_from THEN last.due
            ELSE (
                SELECT head.due FROM book.line AS head
                WHERE head.customer_id = added.customer_id AND head.bucket = added.bucket
                    AND head.period < added.period
                    AND head.seq < added.seq AND head.coverage_to = added.coverage_from
                ORDER BY head.period DESC, head.revision DESC LIMIT 1
            ) END)
        OR (added.revision > 0 AND (
            NOT EXISTS (
                SELECT FROM book.line AS prior
                WHERE prior.customer_id = added.customer_id AND prior.bucket = added.bucket
                    AND prior.period = added.period
                    AND prior.revision = added.revision - 1 AND prior.seq < added.seq
                    AND NOT (added.kind IN ('bill', 'skip') AND prior.standing)
            )
            OR added.previous_due IS DISTINCT FROM coalesce(
                (
                    SELECT head.due FROM book.line AS head
                    WHERE head.customer_id = added.customer_id AND head.bucket = added.bucket
                        AND head.period < added.period AND head.seq < added.seq
                    ORDER BY head.period DESC, head.revision DESC LIMIT 1
                ),
                (
                    SELECT account.opening_due FROM book.account
                    WHERE account.customer_id = added.customer_id
                        AND account.bucket = added.bucket
                )
            )
        ))
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'line % of customer % does not follow its chain',
            broken.seq, broken.customer_id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER chain_holds AFTER INSERT ON book.line REFERENCING NEW TABLE AS appended
    FOR EACH STATEMENT EXECUTE FUNCTION book.check_chain();

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

ALTER TABLE book.terms ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE book.terms ENABLE ALWAYS TRIGGER append_only_truncate;
ALTER TABLE book.line ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE book.line ENABLE ALWAYS TRIGGER append_only_truncate;
ALTER TABLE book.line ENABLE ALWAYS TRIGGER chain_holds;
ALTER TABLE book.command ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE book.command ENABLE ALWAYS TRIGGER append_only_truncate;
ALTER TABLE book.conflict ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE book.conflict ENABLE ALWAYS TRIGGER append_only_truncate;
ALTER TABLE book.policy ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE book.policy ENABLE ALWAYS TRIGGER append_only_truncate;
ALTER TABLE book.price ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE book.price ENABLE ALWAYS TRIGGER append_only_truncate;
ALTER TABLE book.seal ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE book.seal ENABLE ALWAYS TRIGGER append_only_truncate;
ALTER TABLE book.incarnation ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE book.incarnation ENABLE ALWAYS TRIGGER append_only_truncate;
ALTER TABLE book.tax ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE book.tax ENABLE ALWAYS TRIGGER append_only_truncate;
ALTER TABLE book.document ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE book.document ENABLE ALWAYS TRIGGER append_only_truncate;
ALTER TABLE book.document ENABLE ALWAYS TRIGGER series_holds;

-- Stores how far a position was when a person moves it back. The broker's committed offset is then ahead
-- of the book although nothing was restored. If the topic was created again, `furthest` is set to 0.
CREATE FUNCTION book.note_furthest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.furthest := CASE WHEN NEW.topic_id = OLD.topic_id OR OLD.topic_id IS NULL
        THEN greatest(OLD.furthest, OLD.next_offset) ELSE 0 END;
    RETURN NEW;
END $$;

CREATE TRIGGER moved_back BEFORE UPDATE ON book.position
    FOR EACH ROW
    WHEN (NEW.next_offset < OLD.next_offset OR NEW.topic_id IS DISTINCT FROM OLD.topic_id)
    EXECUTE FUNCTION book.note_furthest();
