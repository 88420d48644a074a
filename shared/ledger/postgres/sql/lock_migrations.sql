-- Lets one process migrate at a time, until the end of the transaction.
LOCK TABLE book.migration IN EXCLUSIVE MODE;
