-- The quarantined customers with their reasons, oldest first.
SELECT customer_id, reason, since FROM report.quarantine ORDER BY since, customer_id;
