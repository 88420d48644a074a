-- The migrations that were applied to this book.
SELECT name FROM book.migration;
