-- Moves a consumer's positions from where this batch began. No row is returned for a partition that
-- another consumer has moved, that was halted, or whose topic now has another id; the batch must then
-- abort.
UPDATE book.position
SET next_offset = moved.next_offset
FROM unnest($2::text[], $3::integer[], $4::bigint[], $5::bigint[], $6::uuid[])
    AS moved (topic, partition, expected, next_offset, topic_id)
WHERE position.consumer = $1
    AND position.topic = moved.topic
    AND position.partition = moved.partition
    AND position.next_offset = moved.expected
    AND position.topic_id IS NOT DISTINCT FROM moved.topic_id
    AND position.halted IS NULL
RETURNING position.partition;
