-- The next committed messages to publish: older than every open transaction.
SELECT outgoing.xid::text::bigint AS xid, outgoing.position,
    relay.xid::text::bigint AS from_xid, relay.position AS from_position,
    topic, key, value, headers
FROM book.outgoing, book.relay
WHERE relay.stream = 'outgoing'
    AND (outgoing.xid, outgoing.position) > (relay.xid, relay.position)
    AND outgoing.xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY outgoing.xid, outgoing.position
LIMIT $1;
