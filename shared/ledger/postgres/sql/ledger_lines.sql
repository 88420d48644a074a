-- Every line of the book, customer by customer in the order of seq, with what the first line
-- of a customer opens with.
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
    account.bill_from,
    account.opening_due
FROM book.line
LEFT JOIN book.account ON account.customer_id = line.customer_id
ORDER BY line.customer_id, line.seq;
