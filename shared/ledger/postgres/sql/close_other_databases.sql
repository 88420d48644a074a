-- Closes what a server has besides the fleet's database: from there a login that may only read could
-- fill the table of locks that all databases share.
REVOKE CONNECT, TEMPORARY ON DATABASE postgres, template1 FROM PUBLIC;
