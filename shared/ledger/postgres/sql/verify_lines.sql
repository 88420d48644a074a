-- The lines of a range of customers as text, in the order of seq: all that a hash covers, in the
-- order of the canonical form, and the transaction that wrote them.
SELECT
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
    coverage_from,
    coverage_to,
    command_id,
    reverses,
    effective_on,
    actor,
    reason,
    policy_version,
    recorded_at,
    hash,
    anchor_day,
    discount_ppm,
    vat_exempt,
    bill_policy_version,
    standing,
    bill_seq,
    adjusted_charge,
    adjusted_vat,
    granted_discount,
    granted_vat,
    xid
FROM book.line
WHERE customer_id > $1 AND ($2::text IS NULL OR customer_id <= $2)
ORDER BY customer_id, seq
