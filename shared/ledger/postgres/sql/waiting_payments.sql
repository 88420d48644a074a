-- The payments of customers that wait for a first period, in the order in which they came.
SELECT
    parked.customer_id,
    substr(parked.command_id, 9) AS payment_id,
    ((event.content ->> 'amount')::numeric * 100)::bigint AS amount,
    ((event.content ->> 'received_at')::timestamptz AT TIME ZONE fleet.zone)::date AS received_on
FROM book.parked
CROSS JOIN book.fleet
CROSS JOIN LATERAL (SELECT parked.content::jsonb AS content) AS event
WHERE parked.customer_id = ANY($1::text[]) AND parked.type = 'billing.payment.received.v1'
ORDER BY parked.position;
