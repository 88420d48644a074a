-- Lets PostgreSQL end the session, and give up what its transaction holds, when it says nothing
-- for `$1`, such as '60s'.
SELECT set_config('idle_in_transaction_session_timeout', $1, true);
