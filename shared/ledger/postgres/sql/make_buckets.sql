-- Makes what is missing of the locks and cursors of the fleet's buckets.
SELECT book.make_buckets();
