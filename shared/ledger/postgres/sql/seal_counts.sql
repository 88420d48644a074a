-- How many lines and outcomes each bucket has after one position and up to another, in total: lines
-- after $1 up to $2, outcomes after $3 up to $4.
SELECT
    (
        SELECT coalesce(sum(line.count), 0)::bigint
        FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS span (after, upto, place)
        CROSS JOIN LATERAL (
            SELECT count(*) FROM book.line
            WHERE line.bucket = span.place - 1
                AND line.position > span.after AND line.position <= span.upto
        ) AS line
    ) AS lines,
    (
        SELECT coalesce(sum(command.count), 0)::bigint
        FROM unnest($3::bigint[], $4::bigint[]) WITH ORDINALITY AS span (after, upto, place)
        CROSS JOIN LATERAL (
            SELECT count(*) FROM book.command
            WHERE command.bucket = span.place - 1
                AND command.position > span.after AND command.position <= span.upto
        ) AS command
    ) AS commands;
