-- How far every consumer has come, everywhere.
SELECT consumer, topic, partition, next_offset, topic_id, cluster_id, halted
FROM book.position
ORDER BY consumer, topic, partition;
