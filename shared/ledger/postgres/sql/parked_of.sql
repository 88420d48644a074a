-- The parked commands of these customers, in the order in which they arrived. The inner SELECT hides from the planner
-- how many they are, so that one plan serves all batches on every PostgreSQL.
SELECT customer_id, type, content, ce_id, ce_source
FROM book.parked
WHERE customer_id = ANY(ARRAY(SELECT unnest($1::text[])))
ORDER BY position;
