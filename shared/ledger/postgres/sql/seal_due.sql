-- Whether the daily seal is due: a run has ended since the last seal, no run is unfinished, and the last
-- seal was made on an earlier day in the business zone.
SELECT coalesce(
    (SELECT max(finished_at) FROM book.run) > coalesce(last.sealed_at, '-infinity')
        AND NOT EXISTS (SELECT FROM book.run WHERE finished_at IS NULL)
        AND (last.sealed_at IS NULL
            OR (last.sealed_at AT TIME ZONE fleet.zone)::date
                < (clock_timestamp() AT TIME ZONE fleet.zone)::date),
    false
)
FROM book.fleet
LEFT JOIN LATERAL (
    SELECT sealed_at FROM book.seal ORDER BY number DESC LIMIT 1
) AS last ON true;
