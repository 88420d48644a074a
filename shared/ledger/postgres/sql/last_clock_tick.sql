-- The last day that the clock itself ticked, and what the database's clock shows.
SELECT max(as_of) AS ticked, clock_timestamp() AS shown
FROM book.run
WHERE trigger = 'nightly' AND tick_id LIKE 'clock-%';
