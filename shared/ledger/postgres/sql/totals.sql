-- The whole ISP period by period: what was billed, paid, and is due of those who have it.
SELECT
    period,
    count(*) AS customers,
    sum(billed) AS billed,
    sum(paid) AS paid,
    sum(due) AS due
FROM report.statement
GROUP BY period
ORDER BY period;
