-- How long a statement of this transaction waits for a lock before it gives up: `$1`, such as '5s'.
SELECT set_config('lock_timeout', $1, true);
