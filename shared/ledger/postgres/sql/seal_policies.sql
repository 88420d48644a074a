-- The policy versions that a seal covers, each with a hash of its file.
SELECT
    version,
    grace_days,
    to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    encode(sha256(convert_to(source, 'UTF8')), 'hex')
FROM book.policy
WHERE version <= $1
ORDER BY version
