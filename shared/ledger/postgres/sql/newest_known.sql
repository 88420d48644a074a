-- When the newest line was written (the newest of the buckets' last lines; null without lines), and the
-- latest policy version.
SELECT
    (
        SELECT max(last.recorded_at)
        FROM book.fleet
        CROSS JOIN generate_series(0, fleet.buckets - 1) AS of (bucket)
        CROSS JOIN LATERAL (
            SELECT line.recorded_at FROM book.line
            WHERE line.bucket = of.bucket
            ORDER BY line.position DESC
            LIMIT 1
        ) AS last
    ) AS line_at,
    coalesce((SELECT max(version) FROM book.policy), 0) AS policy_version;
