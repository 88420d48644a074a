-- The positions of every consumer.
SELECT consumer, topic, partition, next_offset, topic_id, cluster_id, halted
FROM book.position
ORDER BY consumer, topic, partition;
