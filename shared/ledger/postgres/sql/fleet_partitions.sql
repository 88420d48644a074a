-- How many partitions the fleet was set up with.
SELECT partitions FROM book.fleet;
