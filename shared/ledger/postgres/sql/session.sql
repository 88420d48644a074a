-- Sets what holds for a whole session, the role it acts as included: names, and values in their order.
SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS wanted (name, value);
