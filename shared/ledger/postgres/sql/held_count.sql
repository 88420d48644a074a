-- How many texts wait for a person.
SELECT count(*) FROM book.notice WHERE status = 'held';
