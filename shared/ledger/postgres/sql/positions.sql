-- A consumer's positions in these partitions, with topic id and cluster id.
SELECT topic, partition, next_offset, topic_id, cluster_id, halted
FROM book.position
JOIN unnest($2::text[], $3::integer[]) AS p (topic, partition) USING (topic, partition)
WHERE consumer = $1;
