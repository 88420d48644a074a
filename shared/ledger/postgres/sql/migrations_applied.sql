-- The migrations that led to this book.
SELECT name FROM book.migration;
