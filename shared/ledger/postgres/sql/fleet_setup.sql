-- The settings with which the fleet was set up.
SELECT partitions, zone, buckets FROM book.fleet;
