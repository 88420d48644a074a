-- The statement that lets a role log in: PostgreSQL takes no parameters in it.
SELECT format('ALTER ROLE %I LOGIN PASSWORD %L', $1::text, $2::text);
