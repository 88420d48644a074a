-- Appends the next policy version.
INSERT INTO book.policy (version, source, grace_days)
SELECT coalesce(max(version), 0) + 1, $1, $2 FROM book.policy
RETURNING version;
