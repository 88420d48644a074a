-- Figures that must be 0.
SELECT * FROM report.reconciliation;
