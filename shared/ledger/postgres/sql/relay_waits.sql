-- Whether anything waits to be published: committed, and older than every open transaction.
-- Each half reads one row of its index, as relay_lines.sql does.
SELECT (
    SELECT true FROM book.line, book.relay
    WHERE relay.stream = 'line'
        AND (line.xid, line.position) > (relay.xid, relay.position)
        AND line.xid < safe.before
    ORDER BY line.xid, line.position
    LIMIT 1
) IS TRUE OR (
    SELECT true FROM book.outgoing, book.relay
    WHERE relay.stream = 'outgoing'
        AND (outgoing.xid, outgoing.position) > (relay.xid, relay.position)
        AND outgoing.xid < safe.before
    ORDER BY outgoing.xid, outgoing.position
    LIMIT 1
) IS TRUE
FROM (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS before) AS safe;
