-- Sets the number of partitions of the fleet's topics. The caller has locked the fleet's row.
UPDATE book.fleet SET partitions = $1;
