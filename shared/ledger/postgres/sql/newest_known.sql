-- The newest that a book knows: when its last line was written, in the order in which the relay
-- publishes (null: there is none), and its policy version.
SELECT
    (SELECT recorded_at FROM book.line ORDER BY xid DESC, position DESC LIMIT 1) AS line_at,
    coalesce((SELECT max(version) FROM book.policy), 0) AS policy_version;
