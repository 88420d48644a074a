-- Appends terms that the book does not have yet. They are inserted in the order of their digests, so
-- that two batches that append the same terms cannot deadlock: the second waits and inserts nothing.
INSERT INTO book.terms (digest, content)
SELECT DISTINCT ON (digest) digest, content
FROM unnest((SELECT $1::jsonb[])) AS asked (content)
CROSS JOIN LATERAL (SELECT sha256(convert_to(asked.content::text, 'UTF8'))) AS known (digest)
ORDER BY digest
ON CONFLICT (digest) DO NOTHING;
