-- Adds the pages of a claimed run: one per partition, each with the same number of buckets.
INSERT INTO book.page (tick_id, number, first_bucket, end_bucket, at_bucket)
SELECT $1, number, number * size, (number + 1) * size, number * size
FROM book.fleet
CROSS JOIN LATERAL (SELECT buckets / partitions AS size) AS sized
CROSS JOIN generate_series(0, partitions - 1) AS number
ON CONFLICT DO NOTHING
RETURNING number;
