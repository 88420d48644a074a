-- Gives a consumer a position where it has none.
INSERT INTO book.position (consumer, topic, partition, next_offset)
SELECT $1, topic, partition, 0 FROM unnest($2::text[], $3::integer[]) AS p (topic, partition)
ON CONFLICT DO NOTHING;
