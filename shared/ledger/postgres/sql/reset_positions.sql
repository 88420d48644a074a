-- Sets a consumer's positions to these offsets, with the topics' current ids. Batches under way are fenced.
INSERT INTO book.position (consumer, topic, partition, next_offset, topic_id, cluster_id)
SELECT $1, topic, partition, next_offset, topic_id, $6
FROM unnest($2::text[], $3::integer[], $4::bigint[], $5::uuid[])
    AS p (topic, partition, next_offset, topic_id)
ON CONFLICT (consumer, topic, partition) DO UPDATE SET
    next_offset = excluded.next_offset,
    topic_id = excluded.topic_id,
    cluster_id = excluded.cluster_id,
    halted = NULL;
