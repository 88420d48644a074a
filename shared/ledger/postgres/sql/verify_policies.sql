-- Every policy version, and when it was written.
SELECT version, source, grace_days, applied_at
FROM book.policy
ORDER BY version;
