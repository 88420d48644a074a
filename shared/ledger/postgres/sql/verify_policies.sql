-- Every policy version, and when it was applied.
SELECT version, source, grace_days, applied_at
FROM book.policy
ORDER BY version;
