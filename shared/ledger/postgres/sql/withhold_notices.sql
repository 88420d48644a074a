-- Takes back the texts that the relay has not published, so that they wait too: in the hour that the
-- book forgot they were.
WITH withdrawn AS (
    DELETE FROM book.outgoing WHERE topic = $1
    RETURNING convert_from(value, 'UTF8')::jsonb ->> 'notice_id' AS notice_id
)
UPDATE book.notice SET status = 'held'
FROM withdrawn
WHERE notice.notice_id = withdrawn.notice_id AND notice.status = 'requested';
