-- How far a consumer has come in these partitions.
SELECT position.topic, position.partition, position.next_offset
FROM book.position
JOIN unnest($2::text[], $3::integer[]) AS p (topic, partition) USING (topic, partition)
WHERE position.consumer = $1;
