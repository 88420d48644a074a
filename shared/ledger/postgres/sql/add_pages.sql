-- The pages of a claimed run: one per bucket.
INSERT INTO book.page (tick_id, bucket)
SELECT $1, bucket FROM book.fleet, generate_series(0, fleet.partitions - 1) AS bucket
ON CONFLICT DO NOTHING
RETURNING bucket;
