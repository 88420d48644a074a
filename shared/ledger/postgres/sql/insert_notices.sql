-- Inserts notices and returns the ids of new ones: a notice that already exists is not sent again. With
-- an incarnation in `$12` they may be published; without one they are held.
INSERT INTO book.notice (
    notice_id, customer_id, kind, period, amount, text, segments, phone, language, bucket,
    status, incarnation, position, requested_at
)
SELECT
    made.*, $11, $12,
    CASE WHEN $12::integer IS NOT NULL THEN nextval('book.notice_position') END,
    CASE WHEN $12::integer IS NOT NULL THEN clock_timestamp() END
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::smallint[],
    $8::text[], $9::text[], $10::smallint[]
) AS made
ON CONFLICT DO NOTHING
RETURNING notice_id;
