-- Every policy version after a given one.
SELECT version, source, grace_days FROM book.policy WHERE version > $1 ORDER BY version;
