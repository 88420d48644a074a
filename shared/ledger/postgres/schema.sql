-- Rollforward: the whole book on one page.
--
-- Schema `book` is ours: amounts are bigint minor units, percentages parts per million,
-- days half open in the business zone. Schema `report` is what others read.
-- What must never happen is a constraint or a trigger here first, and a check in code second.

CREATE SCHEMA book;
CREATE SCHEMA report;

-- Which migrations led here.
CREATE TABLE book.migration (
    name text PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The fleet as a whole: one row. The number of buckets is set once, for it places every customer,
-- by the hash of their id. It is a multiple of the partitions of Kafka's topics: a customer's
-- partition is their bucket modulo the partitions, so these can be multiplied later.
CREATE TABLE book.fleet (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    partitions smallint NOT NULL CHECK (partitions > 0),
    zone text NOT NULL,
    business_date date,
    notices_held boolean NOT NULL DEFAULT false,
    buckets smallint NOT NULL,
    CONSTRAINT fleet_buckets CHECK (buckets % partitions = 0)
);

-- When the book was restored to an earlier hour, append-only. A book that never was is
-- incarnation 1, without a row. Lines after `line_position` are of this incarnation, or a later one.
CREATE TABLE book.incarnation (
    number integer PRIMARY KEY CHECK (number > 1),
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text NOT NULL,
    line_position bigint NOT NULL
);

-- Policy versions, append-only: `source` is the file as it was applied.
CREATE TABLE book.policy (
    version integer PRIMARY KEY CHECK (version > 0),
    source text NOT NULL,
    grace_days integer NOT NULL CHECK (grace_days >= 0),
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Terms that customers have or had, append-only: a row for all who agreed to the same, known by a digest,
-- SHA-256 of the text of `content`. A change gives a customer another row.
CREATE TABLE book.terms (
    terms_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    digest bytea NOT NULL UNIQUE,
    content jsonb NOT NULL,
    CONSTRAINT terms_digest CHECK (digest = sha256(convert_to(content::text, 'UTF8')))
);

-- A customer: what the signup said, and the dated terms since. Money is not here. `terms_id` is no
-- foreign key: each signup would lock the row of terms that most others share. A bill run reads
-- accounts by the index `account_bucket` alone, so all that it needs is in there.
CREATE TABLE book.account (
    customer_id text COLLATE "C" PRIMARY KEY,
    bucket smallint NOT NULL,
    joined_on date NOT NULL,
    bill_from date NOT NULL CHECK (bill_from >= joined_on),
    opening_due bigint NOT NULL,
    terms_id bigint NOT NULL,
    contact jsonb NOT NULL,
    next_change_on date
);
CREATE INDEX account_bucket ON book.account (bucket, customer_id)
    INCLUDE (joined_on, bill_from, opening_due, terms_id);
CREATE INDEX account_next_change ON book.account (bucket, next_change_on)
    WHERE next_change_on IS NOT NULL;

-- The ledger, append-only: the totals of one period after one command. The columns up to
-- `hash` are the contract's; those up to `granted_vat` let a later command read a period from
-- its latest line alone. `position` is given under the lock of the customer's bucket, so in a
-- bucket it rises in the order of commits: relay and seals go by it.
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
    PRIMARY KEY (customer_id, seq, bucket),
    CONSTRAINT line_revision UNIQUE (customer_id, period, revision, bucket),
    CONSTRAINT line_rolls_forward CHECK (due = previous_due + charge - discount + vat - paid),
    CONSTRAINT line_covers_days CHECK (coverage_from < coverage_to)
);
CREATE INDEX line_outbox ON book.line (bucket, position);
CREATE INDEX line_posting ON book.line (customer_id, period)
    WHERE kind IN ('payment', 'discount', 'adjustment', 'refund', 'reversal');

-- The outcome of each command, append-only, for ever. `content` is what was asked, as
-- canonical JSON: a second coming is compared with it. `ce_id` and `ce_source` name the event
-- that brought it; null where it was judged before these columns were there. A tick is nobody's:
-- its bucket is that of its period, as if that were a customer.
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

-- Conflicting duplicates, append-only: events whose command id had come before with other
-- content. The first outcome stands; what the later event said is kept here, once per event:
-- `digest` is SHA-256 over type, content, ce_id and ce_source.
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

-- Seals, append-only and chained. A seal reaches up to a position of lines, outcomes and conflicting
-- duplicates in each bucket (element bucket + 1), and up to the policy version `policies`. It covers
-- all up to there, or what came since the seal before it, and that seal: `cursor` says which of the
-- two, and the positions once more (a transaction id where it was made before buckets had
-- positions). What is counted is for people.
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

-- Commands that came too early, in the order they came.
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

-- Customers that wait for a person: what comes for them is parked, runs go on without them.
CREATE TABLE book.quarantine (
    customer_id text COLLATE "C" PRIMARY KEY,
    reason text NOT NULL,
    since timestamptz NOT NULL,
    bucket smallint NOT NULL
);

-- Which live payment holds a reference. A cancelled payment frees its own.
CREATE TABLE book.payment_reference (
    method text NOT NULL,
    reference text NOT NULL,
    payment text COLLATE "C" NOT NULL,
    PRIMARY KEY (method, reference)
);

-- How far each consumer group has come; moves in the batch's own transaction, from the
-- offset that the batch started at, so that a zombie finds no row and must abort. A position
-- belongs to one topic of one cluster: a topic made anew under the name has another id. `halted`
-- says why a partition stands still where Kafka itself will not say it again later. `furthest` is
-- how far it was in this topic before a person moved it back; 0 where nobody did.
CREATE TABLE book.position (
    consumer text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    topic_id uuid, -- null: a broker without ids, or not read since the book keeps them
    cluster_id text,
    halted text,
    furthest bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (consumer, topic, partition)
);

-- A run per accepted tick. Claiming is the first lock: one claimed run a month at a time.
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

-- A run's pages: each bills some buckets, [first_bucket, end_bucket), in order. `at_bucket` and
-- `after` are how far a page has come.
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

-- What else leaves: refusals, dead letters, rechecks. The relay publishes the rows of a bucket in
-- the order of `position`, given under the bucket's lock, and then deletes them; what must last is
-- elsewhere. The bucket is that of the key, as if it were a customer.
CREATE TABLE book.outgoing (
    bucket smallint NOT NULL,
    position bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    topic text NOT NULL,
    key bytea,
    value bytea,
    headers text NOT NULL, -- JSON; jsonb would refuse a header's name that holds U+0000
    PRIMARY KEY (bucket, position)
);

-- Where the relay has come to, per stream and bucket: all up to `position` is published.
CREATE TABLE book.relay (
    stream text NOT NULL CHECK (stream IN ('line', 'outgoing', 'notice', 'entitlement')),
    bucket smallint NOT NULL,
    position bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (stream, bucket)
);

-- What customers were told, and the outbox of it. The id comes from the command that is told of,
-- and so is the same whenever that command is applied. `held` ones wait for a person, after a
-- restore. `position` is given, under the bucket's `telling` lock, to what may be published; phone,
-- language and incarnation are those of that moment.
CREATE TABLE book.notice (
    notice_id text COLLATE "C" PRIMARY KEY,
    customer_id text COLLATE "C" NOT NULL,
    kind text NOT NULL CHECK (kind IN ('due', 'receipt', 'correction')),
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

-- The entitlement last published of each customer, in which incarnation of the book, and the outbox
-- of it: `position` is given anew, under the bucket's `telling` lock, whenever it changes. Who
-- changes twice before the relay comes by is published once, as they are then.
CREATE TABLE book.entitlement (
    customer_id text COLLATE "C" PRIMARY KEY,
    expires_on date,
    status text NOT NULL,
    seq integer NOT NULL,
    incarnation integer NOT NULL DEFAULT 1,
    bucket smallint NOT NULL,
    position bigint NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE INDEX entitlement_outbox ON book.entitlement (bucket, position);
CREATE SEQUENCE book.entitlement_position AS bigint OWNED BY book.entitlement.position;

-- How far the hourly check of report.reconciliation has come in each bucket. The customers of all
-- lines up to `line_position` were checked; at `read_at`, null: never yet, every customer was.
CREATE TABLE book.checked (
    bucket smallint PRIMARY KEY,
    line_position bigint NOT NULL DEFAULT 0,
    read_at timestamptz
);

-- What that check has found: the figures of one customer, as they were when the customer was last
-- read. All are 0 where a customer was found right again.
CREATE TABLE book.difference (
    customer_id text COLLATE "C" PRIMARY KEY,
    bucket smallint NOT NULL,
    broken_chains bigint NOT NULL,
    uncovered_days bigint NOT NULL,
    missing_months bigint NOT NULL,
    double_bills bigint NOT NULL,
    hash_breaks bigint NOT NULL
);

-- Locks ----------------------------------------------------------------------------------------

-- What one transaction at a time may do has a table here, empty and without columns, whose EXCLUSIVE
-- lock it holds until its end. Only the writer may lock them: an advisory lock is open to every
-- login. `bucket_N`: writing customers of bucket N, and what leaves of it. `telling_N`: telling
-- them. Both made by migrate.
CREATE SCHEMA book_lock;
CREATE TABLE book_lock.policy (); -- appending a policy version
CREATE TABLE book_lock.seal (); -- sealing

-- Waits for locks, one after the other in the order given, until the end of the transaction.
CREATE FUNCTION book.lock(names text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY names LOOP
        EXECUTE format('LOCK TABLE book_lock.%I IN EXCLUSIVE MODE', name);
    END LOOP;
END $$;

-- Makes what is missing of the locks, the relay's cursors and the marks of the hourly check of the
-- fleet's buckets.
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
END $$;

-- Which transactions of others hold buckets, at this moment: anyone may see locks. pg_dump and
-- vacuum hold weaker ones, and write no lines.
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

-- Append-only for everyone, the owner included, replicas too (ENABLE ALWAYS).
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
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON book.seal
    FOR EACH ROW EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON book.seal
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON book.incarnation
    FOR EACH ROW EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON book.incarnation
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change();

-- The chain holds: each new line follows the customer's last one, opens with what the period
-- before it closed, follows its period's last revision, and puts no bill on a standing one.
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
ALTER TABLE book.seal ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE book.seal ENABLE ALWAYS TRIGGER append_only_truncate;
ALTER TABLE book.incarnation ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE book.incarnation ENABLE ALWAYS TRIGGER append_only_truncate;

-- Positions move on. One that a person moves back remembers how far it was: the broker's
-- committed offset is ahead of it then, and nothing was restored. Of another topic of that name
-- it says nothing.
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
