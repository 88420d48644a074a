-- What the fleet was set up with, once for all.
SELECT partitions, zone FROM book.fleet;
