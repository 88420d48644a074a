-- Makes what is missing of the locks, cursors and marks of the fleet's buckets.
SELECT book.make_buckets();
