-- A page of customers in order: those after customer $2 of bucket $1, and of the next buckets before
-- bucket $3, with their last period and last hash. The last line may be a correction of an earlier period
-- that changed no later one. So it is read first, and then a later period is looked for. A search by
-- period alone could make PostgreSQL sort all lines of each customer.
SELECT
    account.bucket,
    account.customer_id,
    account.joined_on,
    account.bill_from,
    account.opening_due,
    account.terms_id,
    coalesce(last.seq, 0) AS seq,
    last.hash,
    last.recorded_at,
    coalesce(later.period, last.period) AS period,
    coalesce(later.due, last.due) AS due,
    coalesce(later.coverage_to, last.coverage_to) AS coverage_to,
    quarantine.reason AS quarantined
FROM book.account
LEFT JOIN LATERAL (
    SELECT line.seq, line.hash, line.recorded_at, line.period, line.due, line.coverage_to
    FROM book.line
    WHERE line.customer_id = account.customer_id AND line.bucket = account.bucket
    ORDER BY line.seq DESC
    LIMIT 1
) AS last ON true
LEFT JOIN LATERAL (
    SELECT line.period, line.due, line.coverage_to FROM book.line
    WHERE line.customer_id = account.customer_id AND line.bucket = account.bucket
        AND line.period > last.period
    ORDER BY line.period DESC, line.revision DESC
    LIMIT 1
) AS later ON true
LEFT JOIN book.quarantine
    ON quarantine.customer_id = account.customer_id AND quarantine.bucket = account.bucket
WHERE (account.bucket, account.customer_id) > ($1::smallint, $2::text)
    AND account.bucket < $3
ORDER BY account.bucket, account.customer_id
LIMIT $4;
