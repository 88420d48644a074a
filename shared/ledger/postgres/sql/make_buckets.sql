-- Creates missing lock tables, relay cursors and rows of book.checked for the fleet's buckets.
SELECT book.make_buckets();
