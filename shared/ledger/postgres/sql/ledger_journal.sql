-- Every line with what a journal wants besides: the opening due, and what a payment or refund said.
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
    account.opening_due,
    command.content::json ->> 'method' AS method,
    command.content::json ->> 'payment_id' AS payment_id
FROM book.line
LEFT JOIN book.account ON account.customer_id = line.customer_id
LEFT JOIN book.command ON command.command_id = line.command_id
    AND line.kind IN ('payment', 'refund')
ORDER BY line.customer_id, line.seq;
