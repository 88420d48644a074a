-- Ends this session once it has said nothing for so long, and with it the relay's lock.
SELECT set_config('idle_session_timeout', $1, false);
