-- Sets an idle timeout in this transaction, so that PostgreSQL frees the relay's cursors if the relay
-- hangs; `$1` such as '60s'.
SELECT set_config('idle_in_transaction_session_timeout', $1, true);
