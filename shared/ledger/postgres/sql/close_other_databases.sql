-- Revokes access to the server's other databases. All databases share one lock table, and a login that
-- may only read could fill it from there.
REVOKE CONNECT, TEMPORARY ON DATABASE postgres, template1 FROM PUBLIC;
