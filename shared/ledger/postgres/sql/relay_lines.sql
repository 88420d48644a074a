-- The next committed lines to publish: older than every open transaction, after the cursor.
SELECT
    line.xid::text::bigint AS xid,
    line.position,
    relay.xid::text::bigint AS from_xid,
    relay.position AS from_position,
    (
        SELECT coalesce(max(number), 1) FROM book.incarnation WHERE incarnation.xid <= line.xid
    ) AS incarnation,
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
FROM book.line, book.relay
WHERE relay.stream = 'line'
    AND (line.xid, line.position) > (relay.xid, relay.position)
    AND line.xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY line.xid, line.position
LIMIT $1;
