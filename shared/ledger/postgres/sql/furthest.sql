-- What the broker's committed offsets are held against: the book's incarnation, and the furthest
-- that each consumer ever was, all as of one instant.
SELECT
    partitions,
    coalesce((SELECT max(number) FROM book.incarnation), 1) AS incarnation,
    ARRAY(
        SELECT (consumer, topic, partition, greatest(next_offset, furthest)) FROM book.position
    ) AS furthest
FROM book.fleet;
