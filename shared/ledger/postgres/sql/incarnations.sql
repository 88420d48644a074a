-- Every time that the book was restored, oldest first.
SELECT number, opened_at, reason FROM book.incarnation ORDER BY number;
