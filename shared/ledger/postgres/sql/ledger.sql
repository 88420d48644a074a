-- The rows of report.ledger, by customer and seq.
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
    billed,
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
    encode(hash, 'hex') AS hash
FROM report.ledger
ORDER BY customer_id, seq
