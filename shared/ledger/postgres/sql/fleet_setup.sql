-- What the fleet was set up with.
SELECT partitions, zone, buckets FROM book.fleet;
