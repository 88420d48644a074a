-- Advances a page past the customers just billed, and adds to its counts.
UPDATE book.page
SET at_bucket = $3, after = $4, billed = billed + $5, skipped = skipped + $6,
    already_billed = already_billed + $7, quarantined = quarantined + $8,
    sent_at = clock_timestamp(),
    finished_at = CASE WHEN $9 THEN clock_timestamp() END
WHERE tick_id = $1 AND number = $2;
