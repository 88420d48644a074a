-- How many rows wait to be published, per stream; counted no further than a page of the backlog.
SELECT 'line' AS stream, count(*) AS waiting
FROM (
    SELECT FROM book.line, book.relay
    WHERE relay.stream = 'line' AND (line.xid, line.position) > (relay.xid, relay.position)
    LIMIT 100000
) AS lines
UNION ALL
SELECT 'outgoing', count(*)
FROM (
    SELECT FROM book.outgoing, book.relay
    WHERE relay.stream = 'outgoing'
        AND (outgoing.xid, outgoing.position) > (relay.xid, relay.position)
    LIMIT 100000
) AS others;
