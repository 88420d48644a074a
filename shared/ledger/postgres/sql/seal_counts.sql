-- How many lines and outcomes lie behind one position of each bucket, up to another: lines $1 and
-- $2, outcomes $3 and $4.
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
