-- Reports for owners: what is owed by age, what came in, what was sold, VAT, and months.

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

-- Owners and rights.
ALTER VIEW report.aging OWNER TO rollforward_owner;
ALTER VIEW book.money OWNER TO rollforward_owner;
ALTER VIEW report.receipts OWNER TO rollforward_owner;
ALTER VIEW report.sales OWNER TO rollforward_owner;
ALTER VIEW report.tax OWNER TO rollforward_owner;
ALTER VIEW book.moved OWNER TO rollforward_owner;
ALTER VIEW report.month OWNER TO rollforward_owner;
ALTER FUNCTION book.aged(text, bigint, date) OWNER TO rollforward_owner;
ALTER FUNCTION book.age_bucket(integer) OWNER TO rollforward_owner;
REVOKE ALL ON FUNCTION book.aged(text, bigint, date), book.age_bucket(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION book.aged(text, bigint, date), book.age_bucket(integer)
    TO rollforward_reader, rollforward_writer;
GRANT SELECT ON report.aging, report.receipts, report.sales, report.tax, report.month
    TO rollforward_reader, rollforward_writer;
GRANT SELECT ON book.money, book.moved TO rollforward_writer;
