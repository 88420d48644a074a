-- Updates held notices: those now `requested` may be published, in incarnation $8.
UPDATE book.notice
SET status = judged.status, amount = judged.amount, text = judged.text, segments = judged.segments,
    phone = judged.phone, language = judged.language, incarnation = $8,
    requested_at = clock_timestamp(),
    position = CASE WHEN judged.status = 'requested' THEN nextval('book.notice_position') END
FROM unnest(
    $1::text[], $2::text[], $3::bigint[], $4::text[], $5::smallint[], $6::text[], $7::text[]
) AS judged (notice_id, status, amount, text, segments, phone, language)
WHERE notice.notice_id = judged.notice_id;
