-- Makes the next statements of this transaction join by hash, find documents by their index, and sort in
-- memory: the planner takes the lines of a step for few, and a book may have grown since its tables were
-- analysed.
SELECT
    set_config('enable_nestloop', 'off', true),
    set_config('enable_seqscan', 'off', true),
    set_config('work_mem', '64MB', true);
