-- The ledger for spreadsheets, by customer and seq. A text that a spreadsheet would run as a formula
-- gets an apostrophe in front.
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
    CASE WHEN actor ~ E'^[-=+@\t\r]' THEN '''' || actor ELSE actor END AS actor,
    CASE WHEN reason ~ E'^[-=+@\t\r]' THEN '''' || reason ELSE reason END AS reason,
    policy_version,
    recorded_at,
    encode(hash, 'hex') AS hash
FROM report.ledger
ORDER BY customer_id, seq
