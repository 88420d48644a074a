-- The second form of the book: every row of a customer names their bucket, of which there are enough
-- to multiply the partitions later; the relay and the seals go by positions within a bucket; notices
-- and entitlements are their own outboxes.
--
-- Tables that change much are written anew from those before, which are kept in a schema of their
-- own until the end. The releases before cannot work on it.

-- Kafka's hash of a key (murmur2), by which its producers choose a partition and we a bucket.
CREATE FUNCTION book.bucket_of(key bytea, buckets integer) RETURNS smallint
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    low CONSTANT bigint := 4294967295;
    factor CONSTANT bigint := 1540483477;
    size CONSTANT integer := length(key);
    whole CONSTANT integer := size / 4 * 4;
    hash bigint := (2538058380 # size) & low;
    part bigint;
BEGIN
    FOR at IN 0 .. whole / 4 - 1 LOOP
        part := get_byte(key, at * 4)::bigint | (get_byte(key, at * 4 + 1)::bigint << 8)
            | (get_byte(key, at * 4 + 2)::bigint << 16) | (get_byte(key, at * 4 + 3)::bigint << 24);
        part := (part * factor) & low;
        part := ((part # (part >> 24)) * factor) & low;
        hash := ((hash * factor) & low) # part;
    END LOOP;
    IF size - whole = 3 THEN
        hash := hash # (get_byte(key, whole + 2)::bigint << 16);
    END IF;
    IF size - whole >= 2 THEN
        hash := hash # (get_byte(key, whole + 1)::bigint << 8);
    END IF;
    IF size - whole >= 1 THEN
        hash := ((hash # get_byte(key, whole)::bigint) * factor) & low;
    END IF;
    hash := ((hash # (hash >> 13)) * factor) & low;
    hash := hash # (hash >> 15);
    RETURN (hash & 2147483647) % buckets;
END $$;

-- Who reads the views besides ourselves keeps the right to.
CREATE TABLE book.reader AS
SELECT relname::text AS name, acl.grantee::regrole::text AS role
FROM pg_class
CROSS JOIN LATERAL aclexplode(relacl) AS acl
WHERE relnamespace = 'report'::regnamespace AND relkind = 'v'
    AND acl.privilege_type = 'SELECT' AND acl.grantee <> 0 AND acl.grantee <> relowner
    AND acl.grantee::regrole::text NOT IN ('rollforward_reader', 'rollforward_writer');

-- Views and what they call; they are made anew below. One that somebody else has made of them has to
-- be dropped before, and is named by the error.
DROP FUNCTION report.statement_as_of(text, timestamptz);
DROP VIEW
    report.reconciliation, book.behind, book.gap, book.double_bill, book.hash_break,
    book.broken_chain, report.coverage, book.stretch, report.notice, report.quarantine, report.run,
    report.parked, report.refusal, report.command, report.invoice, report.customer,
    report.statement, report.ledger, book.customer, book.head;
DROP FUNCTION book.open_from(text), book.value_on(jsonb, date), book.month_number(date);

-- The fleet -------------------------------------------------------------------------------------

ALTER TABLE book.fleet ADD COLUMN buckets smallint;
UPDATE book.fleet SET buckets = partitions * ceil(96.0 / partitions)::integer;
ALTER TABLE book.fleet
    ALTER COLUMN buckets SET NOT NULL,
    ADD CONSTRAINT fleet_buckets CHECK (buckets % partitions = 0);

-- What is written anew ----------------------------------------------------------------------------

CREATE SCHEMA book_before;
ALTER TABLE book.account SET SCHEMA book_before;
ALTER TABLE book.incarnation SET SCHEMA book_before;
ALTER TABLE book.line SET SCHEMA book_before;
ALTER TABLE book.command SET SCHEMA book_before;
ALTER TABLE book.conflict SET SCHEMA book_before;
ALTER TABLE book.parked SET SCHEMA book_before;
ALTER TABLE book.page SET SCHEMA book_before;
ALTER TABLE book.outgoing SET SCHEMA book_before;
ALTER TABLE book.relay SET SCHEMA book_before;

CREATE TABLE book.incarnation (
    number integer PRIMARY KEY CHECK (number > 1),
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text NOT NULL,
    line_position bigint NOT NULL
);
INSERT INTO book.incarnation (number, opened_at, reason, line_position)
SELECT
    number, opened_at, reason,
    (
        SELECT coalesce(max(position), 0) FROM book_before.line
        WHERE line.xid < incarnation.xid
    )
FROM book_before.incarnation;

CREATE TABLE book.terms (
    terms_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    digest bytea NOT NULL UNIQUE,
    content jsonb NOT NULL,
    CONSTRAINT terms_digest CHECK (digest = sha256(convert_to(content::text, 'UTF8')))
);
INSERT INTO book.terms (digest, content)
SELECT sha256(convert_to(terms::text, 'UTF8')) AS digest, terms
FROM (SELECT DISTINCT terms FROM book_before.account) AS agreed
ORDER BY digest;

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
INSERT INTO book.account (
    customer_id, bucket, joined_on, bill_from, opening_due, terms_id, contact, next_change_on
)
SELECT
    account.customer_id,
    book.bucket_of(convert_to(account.customer_id, 'UTF8'), (SELECT buckets FROM book.fleet)),
    account.joined_on, account.bill_from, account.opening_due, terms.terms_id, account.contact,
    account.next_change_on
FROM book_before.account
JOIN book.terms ON terms.content = account.terms;
CREATE INDEX account_bucket ON book.account (bucket, customer_id)
    INCLUDE (joined_on, bill_from, opening_due, terms_id);
CREATE INDEX account_next_change ON book.account (bucket, next_change_on)
    WHERE next_change_on IS NOT NULL;

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
-- Their bucket is that of their customer's account; where a hand has taken that away, that of the id.
INSERT INTO book.line (
    customer_id, seq, period, revision, kind, previous_due, charge, discount, vat, paid, due,
    coverage_from, coverage_to, command_id, reverses, effective_on, actor, reason, policy_version,
    recorded_at, hash, anchor_day, discount_ppm, vat_exempt, bill_policy_version, standing,
    bill_seq, adjusted_charge, adjusted_vat, granted_discount, granted_vat, bucket, position
)
OVERRIDING SYSTEM VALUE
SELECT
    line.customer_id, line.seq, line.period, line.revision, line.kind, line.previous_due,
    line.charge, line.discount, line.vat, line.paid, line.due, line.coverage_from,
    line.coverage_to, line.command_id, line.reverses, line.effective_on, line.actor, line.reason,
    line.policy_version, line.recorded_at, line.hash, line.anchor_day, line.discount_ppm,
    line.vat_exempt, line.bill_policy_version, line.standing, line.bill_seq, line.adjusted_charge,
    line.adjusted_vat, line.granted_discount, line.granted_vat,
    coalesce(account.bucket, book.bucket_of(convert_to(line.customer_id, 'UTF8'), (SELECT buckets FROM book.fleet))),
    line.position
FROM book_before.line
LEFT JOIN book.account ON account.customer_id = line.customer_id;
CREATE INDEX line_outbox ON book.line (bucket, position);
CREATE INDEX line_posting ON book.line (customer_id, period)
    WHERE kind IN ('payment', 'discount', 'adjustment', 'refund', 'reversal');
SELECT setval(
    pg_get_serial_sequence('book.line', 'position'),
    (SELECT coalesce(max(position), 0) + 1 FROM book.line), false
);

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
-- A tick is nobody's: its bucket is that of its period, the key of its event.
INSERT INTO book.command (
    command_id, customer_id, type, content, outcome, reason, recorded_at, bucket, position, ce_id,
    ce_source
)
OVERRIDING SYSTEM VALUE
SELECT
    command.command_id, command.customer_id, command.type, command.content, command.outcome,
    command.reason, command.recorded_at,
    coalesce(account.bucket, book.bucket_of(convert_to(coalesce(command.customer_id, command.content::jsonb ->> 'period', ''), 'UTF8'), (SELECT buckets FROM book.fleet))),
    command.position, command.ce_id, command.ce_source
FROM book_before.command
LEFT JOIN book.account ON account.customer_id = command.customer_id;
CREATE INDEX command_customer ON book.command (customer_id, position);
CREATE INDEX command_order ON book.command (bucket, position);
CREATE INDEX command_refused ON book.command (recorded_at) WHERE outcome = 'refused';
SELECT setval(
    pg_get_serial_sequence('book.command', 'position'),
    (SELECT coalesce(max(position), 0) + 1 FROM book.command), false
);

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
INSERT INTO book.conflict (
    command_id, digest, customer_id, type, content, ce_id, ce_source, recorded_at, bucket, position
)
OVERRIDING SYSTEM VALUE
SELECT
    command_id, digest, customer_id, type, content, ce_id, ce_source, recorded_at,
    book.bucket_of(convert_to(coalesce(customer_id, content::jsonb ->> 'period', ''), 'UTF8'), (SELECT buckets FROM book.fleet)),
    position
FROM book_before.conflict;
CREATE INDEX conflict_order ON book.conflict (bucket, position);
CREATE INDEX conflict_recorded ON book.conflict (recorded_at);
SELECT setval(
    pg_get_serial_sequence('book.conflict', 'position'),
    (SELECT coalesce(max(position), 0) + 1 FROM book.conflict), false
);

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
INSERT INTO book.parked (
    command_id, customer_id, type, content, reason, parked_at, bucket, position, ce_id, ce_source
)
OVERRIDING SYSTEM VALUE
SELECT
    command_id, customer_id, type, content, reason, parked_at,
    book.bucket_of(convert_to(customer_id, 'UTF8'), (SELECT buckets FROM book.fleet)), position,
    ce_id, ce_source
FROM book_before.parked;
CREATE INDEX parked_customer ON book.parked (customer_id, position);
SELECT setval(
    pg_get_serial_sequence('book.parked', 'position'),
    (SELECT coalesce(max(position), 0) + 1 FROM book.parked), false
);

CREATE TABLE book.outgoing (
    bucket smallint NOT NULL,
    position bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    topic text NOT NULL,
    key bytea,
    value bytea,
    headers text NOT NULL, -- JSON; jsonb would refuse a header's name that holds U+0000
    PRIMARY KEY (bucket, position)
);
-- In the order in which it would have left.
INSERT INTO book.outgoing (bucket, topic, key, value, headers)
SELECT
    CASE WHEN key IS NULL THEN 0 ELSE book.bucket_of(key, (SELECT buckets FROM book.fleet)) END,
    topic, key, value, headers
FROM book_before.outgoing
WHERE (xid, position) > ALL (SELECT xid, position FROM book_before.relay WHERE stream = 'outgoing')
ORDER BY xid, position;

CREATE TABLE book.relay (
    stream text NOT NULL CHECK (stream IN ('line', 'outgoing', 'notice', 'entitlement')),
    bucket smallint NOT NULL,
    position bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (stream, bucket)
);

-- Pages of runs that are not done are made anew, of the new buckets; those before stay as figures.
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
INSERT INTO book.page (
    tick_id, number, first_bucket, end_bucket, sent_at, at_bucket, after, billed, skipped,
    already_billed, quarantined, finished_at
)
SELECT
    tick_id, CASE WHEN run.finished_at IS NULL THEN bucket + 10000 ELSE bucket END, 0, 0, sent_at,
    0, after, billed, skipped, already_billed, quarantined,
    coalesce(page.finished_at, clock_timestamp())
FROM book_before.page
JOIN book.run USING (tick_id);
UPDATE book.run SET claimed_at = NULL WHERE finished_at IS NULL;

-- What gets columns ------------------------------------------------------------------------------

ALTER TABLE book.quarantine ADD COLUMN bucket smallint;
UPDATE book.quarantine
SET bucket = book.bucket_of(convert_to(customer_id, 'UTF8'), fleet.buckets)
FROM book.fleet;
ALTER TABLE book.quarantine ALTER COLUMN bucket SET NOT NULL;

-- What was told is published, or waits in `outgoing`: none of it is in the new outboxes.
ALTER TABLE book.notice
    ADD COLUMN bucket smallint,
    ADD COLUMN position bigint,
    ADD COLUMN requested_at timestamptz,
    ADD COLUMN phone text,
    ADD COLUMN language text,
    ADD COLUMN incarnation integer,
    ADD CONSTRAINT notice_published CHECK (position IS NULL
        OR (requested_at, phone, language, incarnation) IS NOT NULL);
UPDATE book.notice SET bucket = book.bucket_of(convert_to(customer_id, 'UTF8'), fleet.buckets)
FROM book.fleet;
ALTER TABLE book.notice ALTER COLUMN bucket SET NOT NULL;
CREATE INDEX notice_outbox ON book.notice (bucket, position) WHERE position IS NOT NULL;
CREATE SEQUENCE book.notice_position AS bigint;
ALTER SEQUENCE book.notice_position OWNER TO rollforward_owner;
ALTER SEQUENCE book.notice_position OWNED BY book.notice.position;

ALTER TABLE book.entitlement
    ADD COLUMN bucket smallint,
    ADD COLUMN position bigint,
    ADD COLUMN changed_at timestamptz;
UPDATE book.entitlement
SET bucket = book.bucket_of(convert_to(customer_id, 'UTF8'), fleet.buckets), position = 0,
    changed_at = clock_timestamp()
FROM book.fleet;
ALTER TABLE book.entitlement
    ALTER COLUMN bucket SET NOT NULL,
    ALTER COLUMN position SET NOT NULL,
    ALTER COLUMN changed_at SET NOT NULL;
CREATE INDEX entitlement_outbox ON book.entitlement (bucket, position);
CREATE SEQUENCE book.entitlement_position AS bigint;
ALTER SEQUENCE book.entitlement_position OWNER TO rollforward_owner;
ALTER SEQUENCE book.entitlement_position OWNED BY book.entitlement.position;

-- The hourly check ------------------------------------------------------------------------------

CREATE TABLE book.checked (
    bucket smallint PRIMARY KEY,
    line_position bigint NOT NULL DEFAULT 0,
    read_at timestamptz
);
CREATE TABLE book.difference (
    customer_id text COLLATE "C" PRIMARY KEY,
    bucket smallint NOT NULL,
    broken_chains bigint NOT NULL,
    uncovered_days bigint NOT NULL,
    missing_months bigint NOT NULL,
    double_bills bigint NOT NULL,
    hash_breaks bigint NOT NULL
);

-- Locks and cursors ------------------------------------------------------------------------------

DROP TABLE book_lock.relay;
DROP FUNCTION book.make_locks();
-- Makes what is missing of the locks and the relay's cursors of the fleet's buckets.
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
SELECT book.make_buckets();

-- In a bucket positions rise like transaction ids, so what was published lies before a position.
UPDATE book.relay SET position = coalesce((
    SELECT max(line.position)
    FROM book_before.relay AS before
    JOIN book_before.line AS published
        ON (published.xid, published.position) <= (before.xid, before.position)
    JOIN book.line ON line.position = published.position
    WHERE before.stream = 'line' AND line.bucket = relay.bucket
), 0)
WHERE stream = 'line';

-- Seals ------------------------------------------------------------------------------------------

-- A seal covered transactions before a cursor; in each bucket these are its lines, outcomes and
-- conflicting duplicates up to a position.
ALTER TABLE book.seal
    ADD COLUMN lines_upto bigint[],
    ADD COLUMN commands_upto bigint[],
    ADD COLUMN conflicts_upto bigint[];
ALTER TABLE book.seal DISABLE TRIGGER append_only;
UPDATE book.seal SET lines_upto = ARRAY(
    SELECT coalesce(max(covered.position), 0)
    FROM book.fleet
    CROSS JOIN generate_series(0, fleet.buckets - 1) AS of (bucket)
    LEFT JOIN (
        SELECT line.bucket, line.position
        FROM book.line
        JOIN book_before.line AS before ON before.position = line.position
        WHERE before.xid < seal.cursor
    ) AS covered USING (bucket)
    GROUP BY of.bucket
    ORDER BY of.bucket
);
UPDATE book.seal SET commands_upto = ARRAY(
    SELECT coalesce(max(covered.position), 0)
    FROM book.fleet
    CROSS JOIN generate_series(0, fleet.buckets - 1) AS of (bucket)
    LEFT JOIN (
        SELECT command.bucket, command.position
        FROM book.command
        JOIN book_before.command AS before ON before.position = command.position
        WHERE before.xid < seal.cursor
    ) AS covered USING (bucket)
    GROUP BY of.bucket
    ORDER BY of.bucket
);
UPDATE book.seal SET conflicts_upto = ARRAY(
    SELECT coalesce(max(covered.position), 0)
    FROM book.fleet
    CROSS JOIN generate_series(0, fleet.buckets - 1) AS of (bucket)
    LEFT JOIN (
        SELECT conflict.bucket, conflict.position
        FROM book.conflict
        JOIN book_before.conflict AS before ON before.position = conflict.position
        WHERE before.xid < seal.cursor
    ) AS covered USING (bucket)
    GROUP BY of.bucket
    ORDER BY of.bucket
);
ALTER TABLE book.seal ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE book.seal
    ALTER COLUMN cursor TYPE text USING cursor::text,
    ALTER COLUMN lines_upto SET NOT NULL,
    ALTER COLUMN commands_upto SET NOT NULL,
    ALTER COLUMN conflicts_upto SET NOT NULL;
ALTER TABLE book.policy DROP COLUMN xid;

-- What was there before ---------------------------------------------------------------------------

DROP TABLE
    book_before.account, book_before.incarnation, book_before.line, book_before.command,
    book_before.conflict, book_before.parked, book_before.page, book_before.outgoing,
    book_before.relay;
DROP SCHEMA book_before;
DROP FUNCTION book.bucket_of(bytea, integer);

-- Guards -----------------------------------------------------------------------------------------

DROP FUNCTION book.check_chain();
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

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON book.terms
    FOR EACH ROW EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON book.terms
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change();
ALTER TABLE book.terms ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE book.terms ENABLE ALWAYS TRIGGER append_only_truncate;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON book.line
    FOR EACH ROW EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON book.line
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER chain_holds AFTER INSERT ON book.line REFERENCING NEW TABLE AS appended
    FOR EACH STATEMENT EXECUTE FUNCTION book.check_chain();
ALTER TABLE book.line ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE book.line ENABLE ALWAYS TRIGGER append_only_truncate;
ALTER TABLE book.line ENABLE ALWAYS TRIGGER chain_holds;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON book.command
    FOR EACH ROW EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON book.command
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change();
ALTER TABLE book.command ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE book.command ENABLE ALWAYS TRIGGER append_only_truncate;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON book.conflict
    FOR EACH ROW EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON book.conflict
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change();
ALTER TABLE book.conflict ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE book.conflict ENABLE ALWAYS TRIGGER append_only_truncate;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON book.incarnation
    FOR EACH ROW EXECUTE FUNCTION book.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON book.incarnation
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change();
ALTER TABLE book.incarnation ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE book.incarnation ENABLE ALWAYS TRIGGER append_only_truncate;

-- What others read: schema `report`, the views of the contract (§6), and who may do what.
--
-- Applied after schema.sql. Amounts leave as numeric(18,2): `x * 0.01` is exact, a division
-- would not be. Views named `book.…` are steps on the way, in minor units, for ourselves.
-- Ranges of days are half open, [day_from, day_to), as everywhere.

-- Steps ----------------------------------------------------------------------------------------

-- What a timeline, [[day or null, value], ...], says on a day: the last entry begun by then.
-- Without a day (before the first tick) only what the signup said counts.
CREATE FUNCTION book.value_on(timeline jsonb, day date) RETURNS jsonb LANGUAGE sql STABLE
RETURN jsonb_path_query_array(
    timeline,
    'strict $[*] ? (@[0] == null || @[0] <= $day)[1]',
    jsonb_build_object('day', to_char(day, 'YYYY-MM-DD'))
) -> -1;

-- Months on one line of integers, so that neighbours differ by one.
CREATE FUNCTION book.month_number(day date) RETURNS integer LANGUAGE sql IMMUTABLE
RETURN (extract(year FROM day) * 12 + extract(month FROM day))::integer;

-- The first day of the oldest period not fully paid; null when all is paid. Money settles what
-- is oldest first, so what is open is the newest: the walk goes back from the last period and
-- stops where the total due is used up. What then remains is opening due, if there was one.
CREATE FUNCTION book.open_from(customer text) RETURNS date LANGUAGE plpgsql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    line record;
    rest bigint;
    seen text;
    opened date;
    first_day date;
BEGIN
    FOR line IN
        SELECT period, due, charge - discount + vat AS billed, coverage_from
        FROM book.line
        WHERE customer_id = customer
        ORDER BY period DESC, revision DESC
    LOOP
        CONTINUE WHEN line.period = seen; -- an older revision
        rest := coalesce(rest, line.due);
        EXIT WHEN rest <= 0;
        IF line.billed > 0 THEN
            opened := line.coverage_from;
            rest := rest - line.billed;
        END IF;
        seen := line.period;
        first_day := line.coverage_from;
    END LOOP;
    IF rest > 0 AND (SELECT opening_due > 0 FROM book.account WHERE customer_id = customer) THEN
        RETURN first_day;
    END IF;
    RETURN opened;
END $$;

-- The latest line of each period. Read backwards, the index on (customer, period, revision)
-- gives it without a sort.
CREATE VIEW book.head AS
SELECT DISTINCT ON (customer_id, period) *
FROM book.line
ORDER BY customer_id DESC, period DESC, revision DESC;

-- Each customer today: the terms in force on the business date, the last period, what is open. The last
-- period is that of the newest line or a later one: asked so, PostgreSQL takes it from the index on
-- periods, where it might otherwise sort all lines of each customer.
CREATE VIEW book.customer AS
SELECT
    account.customer_id,
    book.value_on(account.contact -> 'name', today.day) #>> '{}' AS name,
    book.value_on(account.contact -> 'phone', today.day) #>> '{}' AS phone,
    book.value_on(account.contact -> 'language', today.day) #>> '{}' AS language,
    book.value_on(terms.content -> 'mode', today.day) #>> '{}' AS mode,
    book.value_on(terms.content -> 'cycle', today.day) ->> 0 AS cycle_kind,
    (book.value_on(terms.content -> 'cycle', today.day) ->> 1)::integer AS cycle_day,
    book.value_on(terms.content -> 'vip', today.day)::boolean AS vip,
    book.value_on(terms.content -> 'shown', today.day) #>> '{}' AS status,
    coalesce(last.due, account.opening_due) AS due,
    coalesce(last.coverage_to, account.bill_from) AS billed_through,
    CASE WHEN NOT book.value_on(terms.content -> 'vip', today.day)::boolean THEN
        CASE
            WHEN last.due <= 0 THEN last.coverage_to
            WHEN last.due <= last.billed THEN last.coverage_from
            ELSE coalesce(book.open_from(account.customer_id), last.coverage_to)
        END + coalesce((SELECT grace_days FROM book.policy ORDER BY version DESC LIMIT 1), 10)
    END AS expires_on,
    last.period,
    last.billed,
    last.standing,
    last.bill_seq,
    account.bucket
FROM book.account
LEFT JOIN book.terms USING (terms_id)
CROSS JOIN (SELECT (SELECT business_date FROM book.fleet) AS day) AS today
LEFT JOIN LATERAL (
    SELECT line.period FROM book.line
    WHERE line.customer_id = account.customer_id AND line.bucket = account.bucket
    ORDER BY line.seq DESC
    LIMIT 1
) AS newest ON true
LEFT JOIN LATERAL (
    SELECT
        line.period,
        line.charge - line.discount + line.vat AS billed,
        line.due,
        line.coverage_from,
        line.coverage_to,
        line.standing,
        line.bill_seq
    FROM book.line
    WHERE line.customer_id = account.customer_id AND line.bucket = account.bucket
        AND line.period >= newest.period
    ORDER BY line.period DESC, line.revision DESC
    LIMIT 1
) AS last ON true;

-- The ledger and the statements ----------------------------------------------------------------

CREATE VIEW report.ledger AS
SELECT
    customer_id,
    seq,
    period,
    revision,
    kind,
    (previous_due * 0.01)::numeric(18,2) AS previous_due,
    (charge * 0.01)::numeric(18,2) AS charge,
    (discount * 0.01)::numeric(18,2) AS discount,
    (vat * 0.01)::numeric(18,2) AS vat,
    ((charge - discount + vat) * 0.01)::numeric(18,2) AS billed,
    (paid * 0.01)::numeric(18,2) AS paid,
    (due * 0.01)::numeric(18,2) AS due,
    coverage_from,
    coverage_to,
    command_id,
    reverses,
    effective_on,
    actor,
    reason,
    policy_version,
    recorded_at,
    hash
FROM book.line;

CREATE VIEW report.statement AS
SELECT
    customer_id,
    period,
    coverage_from,
    coverage_to,
    (previous_due * 0.01)::numeric(18,2) AS previous_due,
    (charge * 0.01)::numeric(18,2) AS charge,
    (discount * 0.01)::numeric(18,2) AS discount,
    (vat * 0.01)::numeric(18,2) AS vat,
    ((charge - discount + vat) * 0.01)::numeric(18,2) AS billed,
    (paid * 0.01)::numeric(18,2) AS paid,
    (due * 0.01)::numeric(18,2) AS due,
    revision,
    standing
FROM book.head;

-- The statement as it was known at an instant: the same answer for ever, once that instant is
-- past. A line bears the clock's time from under its writer's bucket lock (lock_buckets.sql), so
-- when those who hold it now have ended, every line up to now is to be seen. The reader takes no
-- lock, looks again until they have, and waits for nobody who comes later. A customer unknown yet
-- may be signing up in any bucket. What is read next needs a snapshot newer than the wait, and
-- that only READ COMMITTED gives.
CREATE FUNCTION report.statement_as_of(customer_id text, as_of timestamptz)
RETURNS SETOF report.statement LANGUAGE plpgsql VOLATILE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    asked CONSTANT text := statement_as_of.customer_id;
    known CONSTANT text := (SELECT 'bucket_' || bucket FROM book.account WHERE customer_id = asked);
    writers text[];
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'statement_as_of reads at READ COMMITTED only'
            USING ERRCODE = 'invalid_transaction_state',
                HINT = 'An older snapshot may miss lines recorded by then.';
    END IF;
    writers := ARRAY(SELECT writer FROM book.writing WHERE bucket = coalesce(known, bucket));
    WHILE EXISTS (SELECT FROM book.writing WHERE writer = ANY (writers)) LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN QUERY
    SELECT DISTINCT ON (period)
        customer_id,
        period,
        coverage_from,
        coverage_to,
        (previous_due * 0.01)::numeric(18,2),
        (charge * 0.01)::numeric(18,2),
        (discount * 0.01)::numeric(18,2),
        (vat * 0.01)::numeric(18,2),
        ((charge - discount + vat) * 0.01)::numeric(18,2),
        (paid * 0.01)::numeric(18,2),
        (due * 0.01)::numeric(18,2),
        revision,
        standing
    FROM book.line
    WHERE customer_id = asked AND recorded_at <= as_of
    ORDER BY period, revision DESC;
END $$;

CREATE VIEW report.customer AS
SELECT
    customer_id,
    name,
    phone,
    mode,
    cycle_kind,
    cycle_day,
    vip,
    status,
    (due * 0.01)::numeric(18,2) AS due,
    billed_through,
    expires_on
FROM book.customer;

-- Money settles the opening due first, then the bills oldest first, whatever the mode; the mode
-- only says what is asked for.
CREATE VIEW report.invoice AS
SELECT
    customer_id,
    period,
    (billed * 0.01)::numeric(18,2) AS amount,
    (settled * 0.01)::numeric(18,2) AS paid,
    ((greatest(billed, 0) - settled) * 0.01)::numeric(18,2) AS open,
    CASE
        WHEN cancelled AND billed <= 0 THEN 'cancelled'
        WHEN billed <= 0 THEN 'nothing_due'
        WHEN settled = billed THEN 'paid'
        WHEN settled = 0 THEN 'open'
        ELSE 'partial'
    END AS status,
    (CASE mode
        WHEN 'monthly' THEN greatest(billed, 0) - settled
        ELSE greatest(due_total, 0)
    END * 0.01)::numeric(18,2) AS amount_to_pay
FROM (
    SELECT
        customer_id,
        period,
        billed,
        cancelled,
        mode,
        due_total,
        least(
            greatest(billed, 0),
            greatest(greatest(money, 0) - settled_before, 0)
        ) AS settled
    FROM (
        SELECT
            head.customer_id,
            head.period,
            bill.billed,
            head.bill_seq > 0 AND NOT head.standing AS cancelled,
            book.value_on(
                terms.content -> 'mode', (SELECT business_date FROM book.fleet)
            ) #>> '{}' AS mode,
            last_value(head.due) OVER whole AS due_total,
            greatest(-account.opening_due, 0)
                + sum(head.paid + greatest(-bill.billed, 0)) OVER whole AS money,
            greatest(account.opening_due, 0)
                + sum(greatest(bill.billed, 0)) OVER so_far
                - greatest(bill.billed, 0) AS settled_before
        FROM book.head
        JOIN book.account USING (customer_id, bucket)
        LEFT JOIN book.terms USING (terms_id)
        CROSS JOIN LATERAL (SELECT head.charge - head.discount + head.vat AS billed) AS bill
        WINDOW
            whole AS (
                PARTITION BY head.customer_id ORDER BY head.period
                ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
            ),
            so_far AS (PARTITION BY head.customer_id ORDER BY head.period ROWS UNBOUNDED PRECEDING)
    ) AS priced
) AS settling;

-- What became of what was asked ----------------------------------------------------------------

CREATE VIEW report.command AS
SELECT
    command_id,
    type,
    customer_id,
    outcome,
    reason,
    content::jsonb ->> 'actor' AS actor,
    (content::jsonb ->> 'amount')::numeric(18,2) AS amount,
    content::jsonb AS said,
    recorded_at
FROM book.command;

-- What was asked and not done: refused commands, and conflicting duplicates, whose command id
-- keeps the outcome of its first coming.
CREATE VIEW report.refusal AS
SELECT
    command_id,
    type,
    customer_id,
    reason,
    content::jsonb ->> 'actor' AS actor,
    (content::jsonb ->> 'amount')::numeric(18,2) AS amount,
    content::jsonb AS said,
    ce_id,
    ce_source,
    recorded_at
FROM book.command
WHERE outcome = 'refused'
UNION ALL
SELECT
    command_id,
    type,
    customer_id,
    'conflicting_duplicate',
    content::jsonb ->> 'actor',
    (content::jsonb ->> 'amount')::numeric(18,2),
    content::jsonb,
    ce_id,
    ce_source,
    recorded_at
FROM book.conflict;

CREATE VIEW report.parked AS
SELECT command_id, customer_id, type, parked_at, reason FROM book.parked;

CREATE VIEW report.run AS
SELECT
    run.tick_id,
    run.period,
    run.as_of,
    run.trigger,
    run.started_at,
    run.finished_at,
    CASE WHEN run.finished_at IS NULL THEN 'running' ELSE 'done' END AS status,
    coalesce(pages.billed, 0)::bigint AS billed,
    coalesce(pages.skipped, 0)::bigint AS skipped,
    coalesce(pages.already_billed, 0)::bigint AS already_billed,
    coalesce(pages.quarantined, 0)::bigint AS quarantined
FROM book.run
LEFT JOIN LATERAL (
    SELECT
        sum(billed) AS billed,
        sum(skipped) AS skipped,
        sum(already_billed) AS already_billed,
        sum(quarantined) AS quarantined
    FROM book.page
    WHERE page.tick_id = run.tick_id
) AS pages ON true;

CREATE VIEW report.quarantine AS
SELECT customer_id, reason, since FROM book.quarantine;

CREATE VIEW report.notice AS
SELECT
    notice_id,
    customer_id,
    kind,
    period,
    (amount * 0.01)::numeric(18,2) AS amount,
    text,
    segments,
    status,
    created_at
FROM book.notice;

-- Each day in exactly one state ----------------------------------------------------------------

-- Every stretch of days, cut where a period ends or the charged status changes: the periods,
-- and the days after them up to and including the business date.
CREATE VIEW book.stretch AS
SELECT
    account.customer_id,
    greatest(span.day_from, era.day_from) AS day_from,
    least(span.day_to, era.day_to) AS day_to,
    CASE
        WHEN span.state = 'billed' AND era.status <> 'active' THEN era.status
        WHEN span.state = 'not_yet_billed' AND era.status = 'left' THEN 'left'
        ELSE span.state
    END AS state
FROM book.account
JOIN book.terms USING (terms_id)
CROSS JOIN LATERAL (
    SELECT
        head.coverage_from AS day_from,
        head.coverage_to AS day_to,
        CASE WHEN head.bill_seq > 0 AND NOT head.standing THEN 'cancelled' ELSE 'billed' END
            AS state
    FROM book.head
    WHERE head.customer_id = account.customer_id AND head.bucket = account.bucket
    UNION ALL
    SELECT customer.billed_through, fleet.business_date + 1, 'not_yet_billed'
    FROM book.customer
    CROSS JOIN book.fleet
    WHERE customer.customer_id = account.customer_id AND customer.bucket = account.bucket
) AS span
CROSS JOIN LATERAL (
    SELECT
        coalesce((entry ->> 0)::date, '-infinity') AS day_from,
        coalesce(lead((entry ->> 0)::date) OVER (ORDER BY place), 'infinity') AS day_to,
        entry ->> 1 AS status
    FROM jsonb_array_elements(terms.content -> 'status') WITH ORDINALITY AS e (entry, place)
) AS era
WHERE greatest(span.day_from, era.day_from) < least(span.day_to, era.day_to);

-- Neighbours in the same state are one row.
CREATE VIEW report.coverage AS
SELECT customer_id, min(day_from) AS day_from, max(day_to) AS day_to, state
FROM (
    SELECT *, count(*) FILTER (WHERE parted) OVER by_day AS island
    FROM (
        SELECT
            *,
            (state, day_from) IS DISTINCT FROM (lag(state) OVER by_day, lag(day_to) OVER by_day)
                AS parted
        FROM book.stretch
        WINDOW by_day AS (PARTITION BY customer_id ORDER BY day_from)
    ) AS marked
    WINDOW by_day AS (PARTITION BY customer_id ORDER BY day_from)
) AS counted
GROUP BY customer_id, island, state;

-- What must be nothing -------------------------------------------------------------------------
-- Each view names the culprits; `report.reconciliation` counts them. All of them part the book by
-- customer_id, so that the hourly check can read one customer alone (check_bucket.sql).

-- Lines out of step: a gap in seq or revision, an amount that does not add up, and last lines
-- that do not open with what the period before them closed.
CREATE VIEW book.broken_chain AS
SELECT customer_id, seq
FROM (
    SELECT
        customer_id,
        seq,
        coalesce(lag(seq) OVER by_seq, 0) + 1 AS seq_expected,
        revision,
        coalesce(lag(revision) OVER by_revision, -1) + 1 AS revision_expected,
        lag(seq) OVER by_revision AS seq_before,
        due,
        previous_due + charge - discount + vat - paid AS due_expected
    FROM book.line
    WINDOW
        by_seq AS (PARTITION BY customer_id ORDER BY seq),
        by_revision AS (PARTITION BY customer_id, period ORDER BY revision)
) AS line
WHERE seq <> seq_expected
    OR revision <> revision_expected
    OR seq_before > seq
    OR due <> due_expected
UNION
SELECT customer_id, seq
FROM (
    SELECT
        head.customer_id,
        head.seq,
        head.previous_due,
        lag(head.due, 1, account.opening_due)
            OVER (PARTITION BY head.customer_id ORDER BY head.period) AS closed
    FROM book.head
    LEFT JOIN book.account USING (customer_id, bucket)
) AS head
WHERE previous_due IS DISTINCT FROM closed;

-- Lines whose hash is not that of their predecessor's hash and their own canonical form. The form
-- is that of shared/ledger/line.py, written a second time on purpose.
CREATE VIEW book.hash_break AS
SELECT customer_id, seq
FROM (
    SELECT
        *,
        lag(hash, 1, decode(repeat('00', 32), 'hex'))
            OVER (PARTITION BY customer_id ORDER BY seq) AS hash_before
    FROM book.line
) AS line
WHERE hash <> sha256(hash_before || convert_to(concat_ws(
    E'\n',
    customer_id,
    seq,
    period,
    revision,
    kind,
    previous_due,
    charge,
    discount,
    vat,
    paid,
    due,
    to_char(coverage_from, 'YYYY-MM-DD'),
    to_char(coverage_to, 'YYYY-MM-DD'),
    command_id,
    coalesce(reverses, E'\\N'),
    to_char(effective_on, 'YYYY-MM-DD'),
    coalesce(replace(replace(actor, E'\\', E'\\\\'), E'\n', E'\\n'), E'\\N'),
    coalesce(replace(replace(reason, E'\\', E'\\\\'), E'\n', E'\\n'), E'\\N'),
    policy_version,
    to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    anchor_day,
    discount_ppm,
    CASE WHEN vat_exempt THEN 't' ELSE 'f' END,
    bill_policy_version,
    CASE WHEN standing THEN 't' ELSE 'f' END,
    bill_seq,
    adjusted_charge,
    adjusted_vat,
    granted_discount,
    granted_vat
), 'UTF8'));

-- A bill laid on a standing one, and more than one standing bill that begins in a month.
CREATE VIEW book.double_bill AS
SELECT customer_id, seq
FROM (
    SELECT
        customer_id,
        seq,
        bill_seq,
        lag(standing) OVER (PARTITION BY customer_id, period ORDER BY revision) AS stood
    FROM book.line
) AS line
WHERE seq = bill_seq AND stood
UNION
SELECT customer_id, seq
FROM (
    SELECT
        customer_id,
        seq,
        row_number() OVER (
            PARTITION BY customer_id, to_char(coverage_from, 'YYYY-MM') ORDER BY period
        ) AS place
    FROM book.head
    WHERE standing
) AS bill
WHERE place > 1;

-- Days and months between the periods of a customer that none of them has, or two have.
CREATE VIEW book.gap AS
SELECT customer_id, period, days, months
FROM (
    SELECT
        head.customer_id,
        head.period,
        abs(head.coverage_from - lag(head.coverage_to, 1, account.bill_from) OVER by_period)
            AS days,
        abs(
            month.number
            - coalesce(lag(month.number) OVER by_period + 1, book.month_number(account.bill_from))
        ) AS months
    FROM book.head
    LEFT JOIN book.account USING (customer_id, bucket)
    CROSS JOIN LATERAL (
        SELECT book.month_number((head.period || '-01')::date) AS number
    ) AS month
    WINDOW by_period AS (PARTITION BY head.customer_id ORDER BY head.period)
) AS step
WHERE days <> 0 OR months <> 0;

-- Days and months after a customer's last period that a run, now done, should have billed. Who
-- has left with no return known is not billed, and who is quarantined is shown there.
CREATE VIEW book.behind AS
SELECT
    customer.customer_id,
    run.as_of + 1 - customer.billed_through AS days,
    book.month_number(run.as_of) - book.month_number(customer.billed_through) + 1 AS months
FROM book.customer
JOIN book.account USING (customer_id, bucket)
JOIN book.terms USING (terms_id)
JOIN (SELECT max(as_of) AS as_of FROM book.run WHERE finished_at IS NOT NULL) AS run
    ON customer.billed_through <= run.as_of
WHERE NOT EXISTS (SELECT FROM book.quarantine WHERE quarantine.customer_id = customer.customer_id)
    AND (
        book.value_on(terms.content -> 'status', customer.billed_through) #>> '{}' <> 'left'
        OR EXISTS (
            SELECT FROM jsonb_array_elements(terms.content -> 'status') AS entry
            WHERE (entry ->> 0)::date > customer.billed_through AND entry ->> 1 <> 'left'
        )
    );

CREATE VIEW report.reconciliation AS
SELECT
    (SELECT count(*) FROM book.broken_chain) AS broken_chains,
    (SELECT coalesce(sum(days), 0) FROM book.gap)::bigint
        + (SELECT coalesce(sum(days), 0) FROM book.behind)::bigint AS uncovered_days,
    (SELECT coalesce(sum(months), 0) FROM book.gap)::bigint
        + (SELECT coalesce(sum(months), 0) FROM book.behind)::bigint AS missing_months,
    (SELECT count(*) FROM book.double_bill) AS double_bills,
    (SELECT count(*) FROM book.hash_break) AS hash_breaks;

-- Roles ----------------------------------------------------------------------------------------
-- They belong to the whole server, the grants to this database.

DO $$
DECLARE
    role record;
BEGIN
    FOR role IN
        SELECT * FROM (VALUES
            ('rollforward_owner', 'NOLOGIN'),
            ('rollforward_writer', 'NOLOGIN'),
            ('rollforward_reader', 'LOGIN')
        ) AS wanted (name, login)
        WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
    LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I %s', role.name, role.login);
            IF role.login = 'LOGIN' THEN
                EXECUTE format('ALTER ROLE %I SET default_transaction_read_only = on', role.name);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- another database of this server was set up meanwhile
        END;
    END LOOP;
END $$;

-- Nothing here is owned by who installed it, and nothing is open to everyone.
DO $$
DECLARE
    object regclass;
    routine regprocedure;
BEGIN
    IF NOT pg_has_role('rollforward_owner', 'MEMBER') THEN
        EXECUTE format('GRANT rollforward_owner, rollforward_writer TO %I', current_user);
    END IF;
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    ALTER SCHEMA book OWNER TO rollforward_owner;
    ALTER SCHEMA report OWNER TO rollforward_owner;
    ALTER SCHEMA book_lock OWNER TO rollforward_owner;
    FOR object IN
        SELECT oid FROM pg_class
        WHERE relnamespace::regnamespace::text IN ('book', 'report', 'book_lock')
            AND relkind IN ('r', 'v')
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO rollforward_owner', object);
    END LOOP;
    FOR routine IN
        SELECT oid FROM pg_proc
        WHERE pronamespace IN ('book'::regnamespace, 'report'::regnamespace)
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO rollforward_owner', routine);
    END LOOP;
END $$;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA book, report FROM PUBLIC;

-- The reader calls the functions inside the views too, and so may execute them; without the
-- use of schema `book` it cannot name them itself.
GRANT USAGE ON SCHEMA report TO rollforward_reader, rollforward_writer;
GRANT SELECT ON ALL TABLES IN SCHEMA report TO rollforward_reader, rollforward_writer;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA report TO rollforward_reader, rollforward_writer;
GRANT EXECUTE ON FUNCTION
    book.value_on(jsonb, date), book.month_number(date), book.open_from(text)
    TO rollforward_reader, rollforward_writer;

-- The writer appends. What is append-only it cannot change; what is not, only as workers do.
GRANT USAGE ON SCHEMA book TO rollforward_writer;
GRANT SELECT ON ALL TABLES IN SCHEMA book TO rollforward_writer;
GRANT INSERT ON
    book.line, book.command, book.conflict, book.policy, book.seal, book.incarnation, book.terms
    TO rollforward_writer;
GRANT INSERT, UPDATE ON
    book.fleet, book.account, book.position, book.run, book.page, book.relay, book.notice,
    book.entitlement, book.checked, book.difference
    TO rollforward_writer;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA book TO rollforward_writer;
GRANT USAGE ON SEQUENCE book.notice_position, book.entitlement_position TO rollforward_writer;
GRANT INSERT, UPDATE, DELETE ON
    book.parked, book.quarantine, book.payment_reference, book.outgoing
    TO rollforward_writer;
GRANT EXECUTE ON FUNCTION book.lock(text[]) TO rollforward_writer;
GRANT USAGE ON SCHEMA book_lock TO rollforward_writer;
GRANT UPDATE ON ALL TABLES IN SCHEMA book_lock TO rollforward_writer;

-- All sessions share one table of locks. With advisory locks or large objects any login could fill
-- it, and nobody could lock anything; in this database they are for whom the superuser names.
DO $$
DECLARE
    routine regprocedure;
BEGIN
    IF current_setting('is_superuser') = 'off' THEN
        RETURN; -- what is PostgreSQL's own only its owner may close
    END IF;
    FOR routine IN
        SELECT oid FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace
            AND proname ~ '^(pg_(try_)?advisory_|lo_(creat|create|from_bytea|unlink)$)'
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', routine);
    END LOOP;
END $$;

DO $$
DECLARE
    reader record;
BEGIN
    FOR reader IN SELECT name, role FROM book.reader LOOP
        EXECUTE format('GRANT SELECT ON report.%I TO %s', reader.name, reader.role);
    END LOOP;
END $$;
DROP TABLE book.reader;
