-- What a notice needs to know of customers as they are now, and their entitlement published last. It
-- gives the same values as book.customer (a test compares them) in a third of the time. The last lines are
-- looked up without the bucket: PostgreSQL assumes that customer and bucket are independent, expects one
-- line, and would then read and sort all lines of a customer.
SELECT
    account.customer_id,
    book.value_on(account.contact -> 'phone', today.day) #>> '{}' AS phone,
    book.value_on(account.contact -> 'language', today.day) #>> '{}' AS language,
    book.value_on(terms.content -> 'mode', today.day) #>> '{}' AS mode,
    CASE
        WHEN last.period IS NULL
            AND book.value_on(terms.content -> 'shown', today.day) #>> '{}' = 'active' THEN 'pending'
        ELSE book.value_on(terms.content -> 'shown', today.day) #>> '{}'
    END AS status,
    CASE WHEN NOT book.value_on(terms.content -> 'vip', today.day)::boolean THEN
        greatest(
            CASE
                WHEN last.due <= 0 THEN last.coverage_to
                WHEN last.due <= last.billed THEN last.asked_on
                ELSE coalesce(book.open_since(account.customer_id), last.coverage_to)
            END + today.grace_days,
            CASE WHEN last.period IS NOT NULL THEN (account.contact ->> 'grace_until')::date END
        )
    END AS expires_on,
    coalesce(last.due, account.opening_due) AS due,
    last.period,
    last.billed,
    last.standing,
    last.bill_seq,
    CASE WHEN last.seq = last.bill_seq THEN last.command_id ELSE (
        SELECT line.command_id FROM book.line
        WHERE line.customer_id = account.customer_id AND line.seq = last.bill_seq
            AND line.bucket = account.bucket
    ) END AS bill_command,
    coalesce((
        SELECT line.seq FROM book.line
        WHERE line.customer_id = account.customer_id
        ORDER BY line.seq DESC
        LIMIT 1
    ), 0) AS seq,
    account.contact ->> 'username' AS username,
    book.value_on(terms.content -> 'package', today.day) ->> 0 AS package,
    coalesce(book.value_on(account.contact -> 'texting', today.day)::boolean, true) AS texting,
    account.untold_seq,
    entitlement.expires_on AS published_expires_on,
    entitlement.status AS published_status,
    entitlement.seq AS published_seq,
    entitlement.incarnation AS published_incarnation,
    entitlement.username AS published_username,
    entitlement.package AS published_package
FROM book.account
LEFT JOIN book.terms USING (terms_id)
CROSS JOIN (
    SELECT
        (SELECT business_date FROM book.fleet) AS day,
        coalesce((SELECT grace_days FROM book.policy ORDER BY version DESC LIMIT 1), 10)
            AS grace_days
) AS today
LEFT JOIN LATERAL (
    SELECT
        line.seq,
        line.command_id,
        line.period,
        line.charge - line.discount + line.vat AS billed,
        line.due,
        coalesce(line.asked_on, line.coverage_from) AS asked_on,
        line.coverage_to,
        line.standing,
        line.bill_seq
    FROM book.line
    WHERE line.customer_id = account.customer_id
    ORDER BY line.period DESC, line.revision DESC
    LIMIT 1
) AS last ON true
LEFT JOIN book.entitlement ON entitlement.customer_id = account.customer_id
    AND entitlement.bucket = account.bucket
WHERE account.customer_id = ANY($1::text[])
ORDER BY account.customer_id;
