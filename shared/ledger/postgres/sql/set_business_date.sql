-- Moves the business date forward, never back.
UPDATE book.fleet SET business_date = greatest(business_date, $1);
