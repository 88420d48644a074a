-- Whether there is such a customer, or anything parked for one, so that a slip of the finger is named.
SELECT EXISTS (SELECT FROM book.account WHERE customer_id = $1)
    OR EXISTS (SELECT FROM book.parked WHERE customer_id = $1);
