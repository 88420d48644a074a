-- The held notices of these customers, oldest first.
SELECT notice_id, customer_id, kind, period, amount, text, segments
FROM book.notice
WHERE customer_id = ANY($1::text[]) AND status = 'held'
ORDER BY created_at, notice_id;
