-- Notes that the topics of the fleet have so many partitions. The fleet's row is locked.
UPDATE book.fleet SET partitions = $1;
