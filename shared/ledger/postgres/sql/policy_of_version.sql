-- One policy version, with the file as it was applied.
SELECT version, source, grace_days, applied_at FROM book.policy WHERE version = $1;
