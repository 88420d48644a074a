-- The latest policy version, with the file as it was applied.
SELECT version, source, grace_days, applied_at FROM book.policy ORDER BY version DESC LIMIT 1;
