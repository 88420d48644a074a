-- The business zone that the fleet was set up with.
SELECT zone FROM book.fleet;
