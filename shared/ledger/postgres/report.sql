-- Schema `report`, the views for readers outside (docs/ledger.md); and all roles and grants.
--
-- Applied after schema.sql. Amounts are shown as numeric(18,2): `x * 0.01` is exact, a division would
-- not be. Views named `book.…` are internal steps, with amounts in minor units. Day ranges are half open,
-- [day_from, day_to).

-- Steps ----------------------------------------------------------------------------------------

-- Returns the value of a timeline, [[day or null, value], ...], on a day: the last entry that begins on or
-- before it. If the day is null (before the first tick), only entries of the signup count.
CREATE FUNCTION book.value_on(timeline jsonb, day date) RETURNS jsonb LANGUAGE sql STABLE
RETURN jsonb_path_query_array(
    timeline,
    'strict $[*] ? (@[0] == null || @[0] <= $day)[1]',
    jsonb_build_object('day', to_char(day, 'YYYY-MM-DD'))
) -> -1;

-- Numbers the months, so that consecutive months differ by one.
CREATE FUNCTION book.month_number(day date) RETURNS integer LANGUAGE sql IMMUTABLE
RETURN (extract(year FROM day) * 12 + extract(month FROM day))::integer;

-- Returns the day on which the oldest period that is not fully paid was asked for; null if all is paid.
-- Payments settle the oldest bill first, so the newest bills are open. The loop goes back from the last
-- period until the open bills add up to the total due. If a rest remains, it is opening due, which was asked
-- for with the first period.
CREATE FUNCTION book.open_since(customer text) RETURNS date LANGUAGE plpgsql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    line record;
    rest bigint;
    seen text;
    since date;
    first_day date;
BEGIN
    FOR line IN
        SELECT
            period, due, charge - discount + vat AS billed,
            coalesce(asked_on, coverage_from) AS asked_on
        FROM book.line
        WHERE customer_id = customer
        ORDER BY period DESC, revision DESC
    LOOP
        CONTINUE WHEN line.period = seen; -- an older revision
        rest := coalesce(rest, line.due);
        EXIT WHEN rest <= 0;
        IF line.billed > 0 THEN
            since := line.asked_on;
            rest := rest - line.billed;
        END IF;
        seen := line.period;
        first_day := line.asked_on;
    END LOOP;
    IF rest > 0 AND (SELECT opening_due > 0 FROM book.account WHERE customer_id = customer) THEN
        RETURN first_day;
    END IF;
    RETURN since;
END $$;

-- Returns what a customer's due is made of by the days since it was asked for, on a day (null: before the first
-- tick): not yet, 0 to 30, 31 to 60, 61 to 90, over 90 days. Payments settle the oldest bill first, so the loop
-- goes back from the last period until the open bills add up to the due. The rest, such as opening due, counts
-- from the day on which the first period was asked for.
CREATE FUNCTION book.aged(customer text, owed bigint, day date) RETURNS bigint[] LANGUAGE plpgsql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    line record;
    rest bigint := owed;
    open bigint;
    seen text;
    first_day date;
    buckets bigint[] := ARRAY[0, 0, 0, 0, 0];
    at integer;
BEGIN
    FOR line IN
        SELECT period, charge - discount + vat AS billed, coalesce(asked_on, coverage_from) AS asked_on
        FROM book.line
        WHERE customer_id = customer
        ORDER BY period DESC, revision DESC
    LOOP
        CONTINUE WHEN line.period = seen; -- an older revision
        EXIT WHEN rest <= 0;
        seen := line.period;
        first_day := line.asked_on;
        open := least(greatest(line.billed, 0), rest);
        at := book.age_bucket(day - line.asked_on);
        buckets[at] := buckets[at] + open;
        rest := rest - open;
    END LOOP;
    IF rest > 0 THEN
        at := book.age_bucket(day - first_day);
        buckets[at] := buckets[at] + rest;
    END IF;
    RETURN buckets;
END $$;

-- Returns the place in book.aged of what was asked for so many days ago; below zero or null: not yet.
CREATE FUNCTION book.age_bucket(days integer) RETURNS integer LANGUAGE sql IMMUTABLE
RETURN CASE
    WHEN days IS NULL OR days < 0 THEN 1
    WHEN days <= 30 THEN 2
    WHEN days <= 60 THEN 3
    WHEN days <= 90 THEN 4
    ELSE 5
END;

-- Returns what a code costs a cycle on a day by the newest policy version that has the code; null if none
-- has. Its first price holds on the days before it too, and before the first tick (null).
CREATE FUNCTION book.listed_price(asked text, day date) RETURNS bigint LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
SELECT (
    SELECT amount FROM book.price
    WHERE code = asked AND version = (SELECT max(version) FROM book.price WHERE code = asked)
    ORDER BY starts <= coalesce(day, '-infinity') DESC,
        CASE WHEN starts <= coalesce(day, '-infinity') THEN starts END DESC,
        starts
    LIMIT 1
)
$$;

-- Returns what a package, [code, own price or null], and extras, [[code, own price or null, quantity], ...],
-- cost a cycle on a day.
CREATE FUNCTION book.cycle_price(package jsonb, extras jsonb, day date) RETURNS bigint LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
SELECT coalesce((package ->> 1)::bigint, book.listed_price(package ->> 0, day)) + coalesce((
    SELECT sum(
        (extra ->> 2)::bigint * coalesce((extra ->> 1)::bigint, book.listed_price(extra ->> 0, day))
    )
    FROM jsonb_array_elements(extras) AS extra
), 0)::bigint
$$;

-- Whether a command has a cancellation that was not itself cancelled. Of a customer's lines only those of
-- money and corrections are read (index line_posting).
CREATE FUNCTION book.is_cancelled(customer text, of_bucket smallint, command text)
RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
SELECT EXISTS (
    SELECT FROM book.line AS taken
    WHERE taken.customer_id = customer AND taken.bucket = of_bucket AND taken.kind = 'reversal'
        AND taken.reverses = command
        AND NOT EXISTS (
            SELECT FROM book.line AS undone
            WHERE undone.customer_id = customer AND undone.bucket = of_bucket
                AND undone.kind = 'reversal' AND undone.reverses = taken.command_id
        )
)
$$;

-- The latest line of each period. A backward scan of the index on (customer, period, revision) gives it
-- without a sort.
CREATE VIEW book.head AS
SELECT DISTINCT ON (customer_id, period) *
FROM book.line
ORDER BY customer_id DESC, period DESC, revision DESC;

-- Each customer on the business date: the terms in force, the last period and the open amount. Only
-- periods from that of the last line on are searched: PostgreSQL can then use the index on periods and
-- does not sort all lines of each customer.
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
    CASE
        WHEN last.period IS NULL
            AND book.value_on(terms.content -> 'shown', today.day) #>> '{}' = 'active' THEN 'pending'
        ELSE book.value_on(terms.content -> 'shown', today.day) #>> '{}'
    END AS status,
    coalesce(last.due, account.opening_due) AS due,
    coalesce(last.coverage_to, account.bill_from) AS billed_through,
    CASE WHEN NOT book.value_on(terms.content -> 'vip', today.day)::boolean THEN
        greatest(
            CASE
                WHEN last.due <= 0 THEN last.coverage_to
                WHEN last.due <= last.billed THEN last.asked_on
                ELSE coalesce(book.open_since(account.customer_id), last.coverage_to)
            END + coalesce((SELECT grace_days FROM book.policy ORDER BY version DESC LIMIT 1), 10),
            CASE WHEN last.period IS NOT NULL THEN (account.contact ->> 'grace_until')::date END
        )
    END AS expires_on,
    last.period,
    last.billed,
    last.standing,
    last.bill_seq,
    account.bucket,
    account.contact ->> 'username' AS username,
    book.value_on(terms.content -> 'package', today.day) ->> 0 AS package,
    book.cycle_price(
        book.value_on(terms.content -> 'package', today.day),
        book.value_on(terms.content -> 'extras', today.day),
        today.day
    ) AS price,
    coalesce(book.value_on(account.contact -> 'texting', today.day)::boolean, true) AS texting
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
        coalesce(line.asked_on, line.coverage_from) AS asked_on,
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

-- The statement as it was known at an instant. For a past instant the answer never changes. A line's
-- `recorded_at` is read from the clock while its writer holds the bucket lock (lock_buckets.sql). So once
-- all transactions that hold the lock now have ended, every line recorded up to now is visible. The
-- function takes no lock: it polls until those transactions have ended, and does not wait for later ones.
-- For an unknown customer it waits for all buckets, because the customer may be signing up in any. It
-- must then read with a snapshot taken after the wait, which only READ COMMITTED gives.
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
    expires_on,
    username,
    package,
    (price * 0.01)::numeric(18,2) AS price,
    texting,
    coalesce((
        SELECT sum((parked.content::jsonb ->> 'amount')::numeric(18,2))
        FROM book.parked
        WHERE parked.customer_id = customer.customer_id
            AND parked.type = 'billing.payment.received.v1'
            AND parked.reason IN ('not_signed_up', 'no_period_yet')
    ), 0)::numeric(18,2) AS waiting
FROM book.customer;

-- Payments settle the opening due first, then the bills, oldest first. This does not depend on the mode,
-- which only decides what the customer is asked to pay.
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

-- Outcomes of commands -------------------------------------------------------------------------

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

-- Refused commands, and conflicting duplicates, for whose command id the first outcome stands.
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

-- Payments, applied ones from their lines, and those that wait. `refunded` is the sum of the live refunds
-- that name a payment. A cancellation counts unless it was itself cancelled.
CREATE VIEW report.payment AS
SELECT
    substr(line.command_id, 9) AS payment_id,
    line.customer_id,
    (said.content ->> 'amount')::numeric(18,2) AS amount,
    said.content ->> 'method' AS method,
    said.content ->> 'channel' AS channel,
    said.content ->> 'reference' AS reference,
    line.effective_on AS received_on,
    line.recorded_at,
    line.actor,
    CASE WHEN book.is_cancelled(line.customer_id, line.bucket, line.command_id) THEN 'cancelled'
        ELSE 'applied' END AS status,
    coalesce((
        SELECT sum((refund.content::jsonb ->> 'amount')::numeric(18,2))
        FROM book.line AS paid_back
        JOIN book.command AS refund ON refund.command_id = paid_back.command_id
        WHERE paid_back.customer_id = line.customer_id AND paid_back.bucket = line.bucket
            AND paid_back.kind = 'refund'
            AND refund.content::jsonb ->> 'payment_id' = substr(line.command_id, 9)
            AND NOT book.is_cancelled(line.customer_id, line.bucket, paid_back.command_id)
    ), 0)::numeric(18,2) AS refunded,
    line.period
FROM book.line
JOIN book.command USING (command_id)
CROSS JOIN LATERAL (SELECT command.content::jsonb AS content) AS said
WHERE line.kind = 'payment'
UNION ALL
SELECT
    substr(parked.command_id, 9),
    parked.customer_id,
    (said.content ->> 'amount')::numeric(18,2),
    said.content ->> 'method',
    said.content ->> 'channel',
    said.content ->> 'reference',
    ((said.content ->> 'received_at')::timestamptz AT TIME ZONE fleet.zone)::date,
    parked.parked_at,
    said.content ->> 'actor',
    'waiting',
    0::numeric(18,2),
    NULL
FROM book.parked
CROSS JOIN book.fleet
CROSS JOIN LATERAL (SELECT parked.content::jsonb AS content) AS said
WHERE parked.type = 'billing.payment.received.v1';

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

-- All days of each customer, divided where a period ends or the charged status changes: the periods, and
-- the days after them up to and including the business date.
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

-- Stretches of book.stretch, with adjacent ones in the same state merged.
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

-- Documents ------------------------------------------------------------------------------------

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

-- Reports --------------------------------------------------------------------------------------

CREATE VIEW report.aging AS
SELECT
    account.customer_id,
    (owed.due * 0.01)::numeric(18,2) AS due,
    (greatest(-owed.due, 0) * 0.01)::numeric(18,2) AS credit,
    (age.buckets[1] * 0.01)::numeric(18,2) AS not_yet,
    (age.buckets[2] * 0.01)::numeric(18,2) AS days_0_30,
    (age.buckets[3] * 0.01)::numeric(18,2) AS days_31_60,
    (age.buckets[4] * 0.01)::numeric(18,2) AS days_61_90,
    (age.buckets[5] * 0.01)::numeric(18,2) AS days_over_90
FROM book.account
CROSS JOIN (SELECT (SELECT business_date FROM book.fleet) AS day) AS today
LEFT JOIN LATERAL (
    SELECT line.period FROM book.line
    WHERE line.customer_id = account.customer_id AND line.bucket = account.bucket
    ORDER BY line.seq DESC
    LIMIT 1
) AS newest ON true
LEFT JOIN LATERAL (
    SELECT line.due FROM book.line
    WHERE line.customer_id = account.customer_id AND line.bucket = account.bucket
        AND line.period >= newest.period
    ORDER BY line.period DESC, line.revision DESC
    LIMIT 1
) AS last ON true
CROSS JOIN LATERAL (SELECT coalesce(last.due, account.opening_due) AS due) AS owed
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN owed.due > 0 THEN book.aged(account.customer_id, owed.due, today.day)
        ELSE ARRAY[0, 0, 0, 0, 0]::bigint[]
    END AS buckets
    OFFSET 0
) AS age;

-- Money of each line: what came in above zero, what went out below. A reversal takes back what its target
-- did, and its undo does that again; both bear the words of the payment or refund (`origin`).
CREATE VIEW book.money AS
SELECT
    (line.recorded_at AT TIME ZONE fleet.zone)::date AS recorded_on,
    line.kind,
    line.sign * (said.content ->> 'amount')::numeric(18,2) AS amount,
    (coalesce(said.content ->> 'received_at', said.content ->> 'refunded_at')::timestamptz
        AT TIME ZONE fleet.zone)::date AS received_on,
    said.content ->> 'actor' AS actor,
    said.content ->> 'method' AS method,
    said.content ->> 'channel' AS channel
FROM (
    SELECT
        recorded_at, kind, command_id AS origin, CASE kind WHEN 'payment' THEN 1 ELSE -1 END AS sign
    FROM book.line
    WHERE kind IN ('payment', 'refund')
    UNION ALL
    SELECT
        line.recorded_at,
        line.kind,
        coalesce(undone.reverses, line.reverses),
        CASE WHEN coalesce(undone.reverses, line.reverses) LIKE 'payment/%' THEN -1 ELSE 1 END
            * CASE WHEN undone.reverses IS NULL THEN 1 ELSE -1 END
    FROM book.line
    LEFT JOIN book.line AS undone
        ON undone.customer_id = line.customer_id AND undone.bucket = line.bucket
            AND undone.kind = 'reversal' AND undone.command_id = line.reverses
    WHERE line.kind = 'reversal'
) AS line
JOIN book.command ON command.command_id = line.origin
CROSS JOIN book.fleet
CROSS JOIN LATERAL (SELECT command.content::jsonb AS content) AS said
WHERE line.origin LIKE 'payment/%' OR line.origin LIKE 'refund/%';

-- What collectors took, by the day on which it was written: a collector's day, and what was entered later for
-- it.
CREATE VIEW report.receipts AS
SELECT
    recorded_on,
    received_on,
    actor,
    method,
    channel,
    kind,
    count(*) AS count,
    sum(amount)::numeric(18,2) AS amount
FROM (
    SELECT recorded_on, received_on, actor, method, channel, kind, amount FROM book.money
    UNION ALL
    SELECT
        (parked.parked_at AT TIME ZONE fleet.zone)::date,
        ((said.content ->> 'received_at')::timestamptz AT TIME ZONE fleet.zone)::date,
        said.content ->> 'actor',
        said.content ->> 'method',
        said.content ->> 'channel',
        'waiting',
        (said.content ->> 'amount')::numeric(18,2)
    FROM book.parked
    CROSS JOIN book.fleet
    CROSS JOIN LATERAL (SELECT parked.content::jsonb AS content) AS said
    WHERE parked.type = 'billing.payment.received.v1'
) AS money
GROUP BY recorded_on, received_on, actor, method, channel, kind;

CREATE VIEW report.sales AS
SELECT
    to_char(issued_on, 'YYYY-MM') AS month,
    kind,
    sum(documents)::bigint AS documents,
    (sum(sign * net) * 0.01)::numeric(18,2) AS net,
    (sum(sign * vat) * 0.01)::numeric(18,2) AS vat,
    (sum(sign * (net + vat)) * 0.01)::numeric(18,2) AS total
FROM (
    SELECT
        issued_on,
        kind,
        CASE kind WHEN 'credit_note' THEN -1 ELSE 1 END AS sign,
        count(*) AS documents,
        sum(net) AS net,
        sum(vat) AS vat
    FROM book.document
    WHERE kind <> 'receipt' AND customer_id IS NOT NULL
    GROUP BY issued_on, kind
) AS by_day
GROUP BY to_char(issued_on, 'YYYY-MM'), kind;

-- The VAT return. Documents whose VAT is split alike are added up first.
CREATE VIEW report.tax AS
SELECT
    to_char(alike.issued_on, 'YYYY-MM') AS month,
    coalesce(tax.code, '') AS code,
    trim_scale(coalesce(tax.rate_ppm, 0) * 0.0001) AS rate,
    (sum(alike.sign * alike.documents * alike.taxes[part.at + 1]) * 0.01)::numeric(18,2) AS net,
    (sum(alike.sign * alike.documents * alike.taxes[part.at + 2]) * 0.01)::numeric(18,2) AS tax
FROM (
    SELECT
        issued_on,
        CASE kind WHEN 'credit_note' THEN -1 ELSE 1 END AS sign,
        taxes,
        count(*) AS documents
    FROM book.document
    WHERE taxes IS NOT NULL
    GROUP BY issued_on, 2, taxes
) AS alike
CROSS JOIN LATERAL generate_series(1, cardinality(alike.taxes), 3) AS part (at)
LEFT JOIN book.tax ON tax.tax_id = alike.taxes[part.at]
GROUP BY to_char(alike.issued_on, 'YYYY-MM'), coalesce(tax.code, ''), coalesce(tax.rate_ppm, 0);

-- What each day's lines changed of what is billed and paid, and the opening dues of the customers who signed
-- up. Documents have the change of their lines; lines that are not numbered yet, refunds and reversals of
-- money are compared with the line before them.
CREATE VIEW book.moved AS
SELECT
    recorded_on,
    sum(CASE kind
        WHEN 'receipt' THEN 0 WHEN 'credit_note' THEN -net - vat ELSE net + vat
    END)::bigint AS billed,
    sum(CASE kind WHEN 'receipt' THEN net ELSE 0 END)::bigint AS paid,
    0::bigint AS opened
FROM book.document
WHERE customer_id IS NOT NULL
GROUP BY recorded_on
UNION ALL
SELECT
    (line.recorded_at AT TIME ZONE fleet.zone)::date,
    CASE WHEN line.position > numbered.position THEN
        line.charge - line.discount + line.vat
            - coalesce(before.charge - before.discount + before.vat, 0)
    ELSE 0 END,
    line.paid - coalesce(before.paid, 0),
    0
FROM book.fleet
CROSS JOIN book.numbered
JOIN book.line
    ON line.bucket = numbered.bucket
        AND (line.position > numbered.position OR line.kind IN ('refund', 'reversal'))
LEFT JOIN LATERAL (
    SELECT charge, discount, vat, paid FROM book.line AS prior
    WHERE prior.customer_id = line.customer_id AND prior.period = line.period
        AND prior.revision = line.revision - 1 AND prior.bucket = line.bucket
    OFFSET 0
) AS before ON true
UNION ALL
SELECT
    (command.recorded_at AT TIME ZONE fleet.zone)::date, 0, 0, account.opening_due
FROM book.fleet
CROSS JOIN book.account
JOIN book.command
    ON command.customer_id = account.customer_id
        AND command.type = 'billing.customer.signed_up.v1' AND command.outcome = 'accepted'
WHERE account.opening_due <> 0;

CREATE VIEW report.month AS
WITH moved AS MATERIALIZED (
    SELECT
        date_trunc('month', recorded_on)::date AS starts,
        sum(billed) AS billed,
        sum(paid) AS paid,
        sum(opened) AS opened
    FROM book.moved
    GROUP BY 1
)
SELECT
    to_char(month.starts, 'YYYY-MM') AS month,
    (coalesce(moved.billed, 0) * 0.01)::numeric(18,2) AS billed,
    (coalesce(moved.paid, 0) * 0.01)::numeric(18,2) AS collected,
    (sum(coalesce(moved.opened + moved.billed - moved.paid, 0)) OVER (ORDER BY month.starts)
        * 0.01)::numeric(18,2) AS due_at_end
FROM (
    SELECT generate_series(min(starts), max(starts), '1 month')::date AS starts FROM moved
) AS month
LEFT JOIN moved USING (starts);

-- Faults: these views must be empty ------------------------------------------------------------
-- Each view lists the faulty rows; `report.reconciliation` counts them. All partition by customer_id, so
-- that the hourly check can read a single customer (check_bucket.sql).

-- Broken chains: a gap in seq or revision, amounts that do not add up, and latest lines of a period whose
-- `previous_due` is not the due of the period before.
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

-- Lines whose hash is not the hash over the previous line's hash and their own canonical form. The form
-- is also written in shared/ledger/line.py; this second, independent version is intended.
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

-- A bill on top of a standing one, and more than one standing bill that begins in the same month.
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

-- Days and months, from a customer's `bill_from` to their last period, that no period covers or that two
-- cover.
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

-- Days and months after a customer's last period that a finished run should have billed. Customers who
-- have left and have no known return are not billed; quarantined ones are in report.quarantine.
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

CREATE VIEW report.reconciliation AS
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

-- Roles ----------------------------------------------------------------------------------------
-- Roles belong to the whole server, grants to this database.

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

-- Moves ownership to rollforward_owner, and revokes all rights of PUBLIC.
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

-- The reader may execute the functions of schema `book`, because the views of `report` call them. It
-- cannot call them directly, because it has no USAGE on schema `book`.
GRANT USAGE ON SCHEMA report TO rollforward_reader, rollforward_writer;
GRANT SELECT ON ALL TABLES IN SCHEMA report TO rollforward_reader, rollforward_writer;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA report TO rollforward_reader, rollforward_writer;
GRANT EXECUTE ON FUNCTION
    book.value_on(jsonb, date), book.month_number(date), book.open_since(text), book.listed_price(text, date),
    book.cycle_price(jsonb, jsonb, date), book.is_cancelled(text, smallint, text),
    book.document_number(text, text, smallint, integer), book.aged(text, bigint, date),
    book.age_bucket(integer)
    TO rollforward_reader, rollforward_writer;

-- The writer may only append to append-only tables; on the others it has only the rights that workers
-- need.
GRANT USAGE ON SCHEMA book TO rollforward_writer;
GRANT SELECT ON ALL TABLES IN SCHEMA book TO rollforward_writer;
GRANT INSERT ON
    book.line, book.command, book.conflict, book.policy, book.seal, book.incarnation, book.terms,
    book.price, book.tax, book.document
    TO rollforward_writer;
GRANT INSERT, UPDATE ON
    book.fleet, book.account, book.position, book.run, book.page, book.relay, book.notice,
    book.entitlement, book.checked, book.difference, book.numbered
    TO rollforward_writer;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA book TO rollforward_writer;
GRANT USAGE ON SEQUENCE book.notice_position, book.entitlement_position TO rollforward_writer;
GRANT INSERT, UPDATE, DELETE ON
    book.parked, book.quarantine, book.payment_reference, book.outgoing, book.username
    TO rollforward_writer;
GRANT EXECUTE ON FUNCTION book.lock(text[]) TO rollforward_writer;
GRANT USAGE ON SCHEMA book_lock TO rollforward_writer;
GRANT UPDATE ON ALL TABLES IN SCHEMA book_lock TO rollforward_writer;

-- All sessions share one lock table. With advisory locks or large objects any login could fill it, and no
-- session could then lock anything. So in this database only roles named by the superuser may use them.
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
