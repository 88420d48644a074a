-- Every policy version after one.
SELECT version, source FROM book.policy WHERE version > $1 ORDER BY version;
