-- Sets whether new notices are held or may be published.
UPDATE book.fleet SET notices_held = $1;
