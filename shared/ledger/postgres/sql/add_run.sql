-- A run per accepted tick; it waits until its month is claimed for it.
INSERT INTO book.run (tick_id, period, as_of, trigger) VALUES ($1, $2, $3, $4);
