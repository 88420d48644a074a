-- Returns the ALTER ROLE statement that lets a role log in; it cannot take parameters itself.
SELECT format('ALTER ROLE %I LOGIN PASSWORD %L', $1::text, $2::text);
