-- Locks the row of the fleet, so that ticks are judged one after the other.
SELECT business_date FROM book.fleet FOR NO KEY UPDATE;
