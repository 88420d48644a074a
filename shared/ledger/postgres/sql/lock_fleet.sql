-- Locks the fleet's one row, so that ticks are judged one after the other.
SELECT business_date FROM book.fleet FOR NO KEY UPDATE;
