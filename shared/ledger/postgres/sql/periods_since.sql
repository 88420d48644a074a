-- The periods of each customer from a label on, and at least the last, as their latest lines:
-- one row read per period, however often it was revised.
SELECT
    line.customer_id,
    line.seq,
    line.period,
    line.revision,
    line.kind,
    line.previous_due,
    line.charge,
    line.discount,
    line.vat,
    line.paid,
    line.due,
    line.coverage_from,
    line.coverage_to,
    line.command_id,
    line.reverses,
    line.effective_on,
    line.actor,
    line.reason,
    line.policy_version,
    line.recorded_at,
    line.hash,
    line.anchor_day,
    line.discount_ppm,
    line.vat_exempt,
    line.bill_policy_version,
    line.standing,
    line.bill_seq,
    line.adjusted_charge,
    line.adjusted_vat,
    line.granted_discount,
    line.granted_vat
FROM unnest($1::text[], $2::text[]) AS wanted (customer_id, since)
JOIN book.account USING (customer_id)
CROSS JOIN LATERAL (
    SELECT line.period FROM book.line
    WHERE line.customer_id = wanted.customer_id
    ORDER BY line.period DESC
    LIMIT 1
) AS head
CROSS JOIN LATERAL generate_series(
    (least(greatest(wanted.since, to_char(account.bill_from, 'YYYY-MM')), head.period) || '-01')
        ::timestamp,
    (head.period || '-01')::timestamp,
    interval '1 month'
) AS month
CROSS JOIN LATERAL (
    SELECT * FROM book.line
    WHERE line.customer_id = wanted.customer_id AND line.period = to_char(month, 'YYYY-MM')
    ORDER BY line.revision DESC
    LIMIT 1
) AS line
ORDER BY line.customer_id, line.period;
