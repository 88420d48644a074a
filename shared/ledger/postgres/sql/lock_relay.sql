-- Lets one relay at a time publish, until the end of the transaction; PostgreSQL ends it, and with
-- it the lock, when the relay hangs and says nothing for `$1`, such as '60s'.
SELECT set_config('idle_in_transaction_session_timeout', $1, true), book.lock('{relay}');
