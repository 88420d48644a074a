-- What the audit needs to know of the fleet: its zone, up to which day finished runs have billed, and since
-- when the rules of today hold: what was written before the book knew them follows those of its time. A new
-- book has known them from the beginning.
SELECT
    fleet.zone,
    fleet.business_date,
    (SELECT max(as_of) FROM book.run WHERE finished_at IS NOT NULL) AS billed_to,
    CASE WHEN grown.applied_at > first.applied_at + interval '10 minutes' THEN grown.applied_at
        ELSE '1970-01-01Z' END AS grown_at
FROM book.fleet
JOIN book.migration AS grown ON grown.name = '0007_grown_rules.contract.sql'
CROSS JOIN (SELECT min(applied_at) AS applied_at FROM book.migration) AS first;
