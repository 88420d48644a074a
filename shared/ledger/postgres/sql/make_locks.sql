-- Makes what is missing of the locks of the fleet's buckets.
SELECT book.make_locks();
