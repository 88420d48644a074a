-- Sets parameters of the whole session, such as its role: names, and values in the same order.
SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS wanted (name, value);
