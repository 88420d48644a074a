-- The last day for which the fleet's clock ticked, and the database's current time.
SELECT max(as_of) AS ticked, clock_timestamp() AS shown
FROM book.run
WHERE trigger = 'nightly' AND tick_id LIKE 'clock-%';
