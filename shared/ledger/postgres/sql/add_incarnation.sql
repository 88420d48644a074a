-- Opens an incarnation.
INSERT INTO book.incarnation (number, reason) VALUES ($1, $2);
