-- The next committed lines to publish: older than every open transaction, after the cursor.
SELECT
    line.xid::text::bigint AS xid,
    line.position,
    relay.xid::text::bigint AS from_xid,
    relay.position AS from_position,
    (
        SELECT coalesce(max(number), 1) FROM book.incarnation WHERE incarnation.xid <= line.xid
    ) AS incarnation,
    :line_columns(line)
FROM book.line, book.relay
WHERE relay.stream = 'line'
    AND (line.xid, line.position) > (relay.xid, relay.position)
    AND line.xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY line.xid, line.position
LIMIT $1;
