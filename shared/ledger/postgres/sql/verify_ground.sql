-- What the audit needs to know of the fleet: its zone, and up to which day finished runs have billed.
SELECT
    fleet.zone,
    fleet.business_date,
    (SELECT max(as_of) FROM book.run WHERE finished_at IS NOT NULL) AS billed_to
FROM book.fleet;
