-- Forgets the messages that were published.
DELETE FROM book.outgoing WHERE (xid, position) <= ($1::bigint::text::xid8, $2::bigint);
