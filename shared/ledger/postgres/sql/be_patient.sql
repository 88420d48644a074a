-- Sets the lock timeout of this transaction to `$1`, such as '5s'.
SELECT set_config('lock_timeout', $1, true);
