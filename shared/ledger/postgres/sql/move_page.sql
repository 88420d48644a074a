-- Moves a page on by the customers just dealt with.
UPDATE book.page
SET after = $3, billed = billed + $4, skipped = skipped + $5,
    already_billed = already_billed + $6, quarantined = quarantined + $7,
    sent_at = clock_timestamp(),
    finished_at = CASE WHEN $8 THEN clock_timestamp() END
WHERE tick_id = $1 AND bucket = $2;
