-- Enters numbers of one series as void: kind $1, year $2, from $3 to $4, with prefix $5. In the present year
-- their day is today, in an earlier one its last; never before that of the number before.
INSERT INTO book.document (kind, year, number, prefix, issued_on, net, vat)
SELECT $1, $2, void.number, $5, greatest(day.issued_on, last.issued_on), 0, 0
FROM generate_series($3::integer, $4::integer) AS void (number)
CROSS JOIN (
    SELECT least(
        (clock_timestamp() AT TIME ZONE fleet.zone)::date, make_date($2::smallint, 12, 31)
    ) AS issued_on
    FROM book.fleet
) AS day
LEFT JOIN (
    SELECT max(issued_on) AS issued_on FROM book.document WHERE kind = $1 AND year = $2
) AS last ON true
ORDER BY void.number;
