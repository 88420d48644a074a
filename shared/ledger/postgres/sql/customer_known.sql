-- Whether there is such a customer, or a parked command for one, so that a mistyped id is reported.
SELECT EXISTS (SELECT FROM book.account WHERE customer_id = $1)
    OR EXISTS (SELECT FROM book.parked WHERE customer_id = $1);
