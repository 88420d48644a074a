-- Requests a recheck of every customer's entitlement, because the grace days have changed or earlier
-- requests were lost. The caller has locked all buckets, or those of the topic's partition $2.
INSERT INTO book.outgoing (bucket, topic, key, value, headers)
SELECT account.bucket, $1, convert_to(customer_id, 'UTF8'), '{}', '[]'
FROM book.account, book.fleet
WHERE $2::integer IS NULL OR account.bucket % fleet.partitions = $2
ORDER BY account.bucket, customer_id;
