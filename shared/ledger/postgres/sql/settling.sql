-- What a settling fleet still has before it, all as of one instant: how far each consumer is,
-- the runs that are not done, and per stream the last row and how far the relay is.
SELECT
    ARRAY(
        SELECT (consumer, topic, partition, next_offset) FROM book.position
    ) AS positions,
    ARRAY(SELECT tick_id FROM book.run WHERE finished_at IS NULL) AS runs,
    ARRAY(
        SELECT ('line'::text, xid::text, position)
        FROM (SELECT xid, position FROM book.line ORDER BY xid DESC, position DESC LIMIT 1) AS l
        UNION ALL
        SELECT ('outgoing'::text, xid::text, position)
        FROM (SELECT xid, position FROM book.outgoing ORDER BY xid DESC, position DESC LIMIT 1) AS o
    ) AS last,
    ARRAY(SELECT (stream, xid::text, position) FROM book.relay) AS relayed;
