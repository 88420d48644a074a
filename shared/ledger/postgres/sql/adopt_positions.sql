-- Sets the topic id and cluster id of positions written before the book stored them.
UPDATE book.position
SET topic_id = p.topic_id, cluster_id = $5
FROM unnest($2::text[], $3::integer[], $4::uuid[]) AS p (topic, partition, topic_id)
WHERE position.consumer = $1
    AND position.topic = p.topic
    AND position.partition = p.partition
    AND position.cluster_id IS NULL;
