-- How many notices are held.
SELECT count(*) FROM book.notice WHERE status = 'held';
