-- The last day that the clock itself ticked.
SELECT max(as_of) FROM book.run WHERE trigger = 'nightly' AND tick_id LIKE 'clock-%';
