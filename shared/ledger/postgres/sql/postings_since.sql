-- Payments, discounts, adjustments, refunds and reversals from a label on, each with its
-- period as it was before, and what a payment or a refund named.
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
    line.granted_vat,
    before.customer_id,
    before.seq,
    before.period,
    before.revision,
    before.kind,
    before.previous_due,
    before.charge,
    before.discount,
    before.vat,
    before.paid,
    before.due,
    before.coverage_from,
    before.coverage_to,
    before.command_id,
    before.reverses,
    before.effective_on,
    before.actor,
    before.reason,
    before.policy_version,
    before.recorded_at,
    before.hash,
    before.anchor_day,
    before.discount_ppm,
    before.vat_exempt,
    before.bill_policy_version,
    before.standing,
    before.bill_seq,
    before.adjusted_charge,
    before.adjusted_vat,
    before.granted_discount,
    before.granted_vat,
    command.content::jsonb ->> 'payment_id' AS payment_id,
    command.content::jsonb ->> 'method' AS method,
    command.content::jsonb ->> 'reference' AS reference
FROM unnest($1::text[], $2::text[]) AS wanted (customer_id, since)
JOIN book.line
    ON line.customer_id = wanted.customer_id
    AND line.period >= wanted.since
    AND line.kind IN ('payment', 'discount', 'adjustment', 'refund', 'reversal')
JOIN book.line AS before
    ON before.customer_id = line.customer_id
    AND before.period = line.period
    AND before.revision = line.revision - 1
LEFT JOIN book.command
    ON command.command_id = line.command_id AND line.kind IN ('payment', 'refund')
ORDER BY line.customer_id, line.seq;
