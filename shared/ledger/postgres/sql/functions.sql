-- What the functions of schema book do, for a comparison with schema.sql.
SELECT proname::text AS name, prosrc AS body FROM pg_proc
WHERE pronamespace = to_regnamespace('book');
