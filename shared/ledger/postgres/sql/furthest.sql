-- For comparison with the broker's committed offsets: the book's incarnation, and the highest offset
-- that each consumer has reached, all as of one instant.
SELECT
    partitions,
    coalesce((SELECT max(number) FROM book.incarnation), 1) AS incarnation,
    ARRAY(
        SELECT (consumer, topic, partition, greatest(next_offset, furthest)) FROM book.position
    ) AS furthest
FROM book.fleet;
