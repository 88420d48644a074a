-- The last period of each customer, as its latest line.
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
FROM unnest($1::text[]) AS wanted (customer_id)
CROSS JOIN LATERAL (
    SELECT * FROM book.line
    WHERE line.customer_id = wanted.customer_id
    ORDER BY line.period DESC, line.revision DESC
    LIMIT 1
) AS line;
