-- Lets one hand at a time append a policy version.
SELECT pg_advisory_xact_lock(7286);
