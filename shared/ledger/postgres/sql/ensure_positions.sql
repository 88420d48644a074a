-- Adds a position at offset 0, with the topic's current id, where a consumer has none.
INSERT INTO book.position (consumer, topic, partition, next_offset, topic_id, cluster_id)
SELECT $1, topic, partition, 0, topic_id, $5
FROM unnest($2::text[], $3::integer[], $4::uuid[]) AS p (topic, partition, topic_id)
ON CONFLICT DO NOTHING;
