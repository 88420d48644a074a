-- The totals of the whole ISP per period: billed, paid, and due of the customers who have the period.
SELECT
    period,
    count(*) AS customers,
    sum(billed) AS billed,
    sum(paid) AS paid,
    sum(due) AS due
FROM report.statement
GROUP BY period
ORDER BY period;
