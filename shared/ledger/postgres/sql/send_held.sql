-- Keeps what became of texts that waited, as they are sent now or that they are not; answers when.
WITH sent AS (
    UPDATE book.notice
    SET status = told.status, amount = told.amount, text = told.text, segments = told.segments
    FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::smallint[])
        AS told (notice_id, status, amount, text, segments)
    WHERE notice.notice_id = told.notice_id
)
SELECT clock_timestamp();
