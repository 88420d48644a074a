-- Appends terms that the book does not have, in the order of their digests: two batches that append
-- the same ones at once cannot deadlock, and the second waits for the first and appends nothing.
INSERT INTO book.terms (digest, content)
SELECT DISTINCT ON (digest) digest, content
FROM unnest((SELECT $1::jsonb[])) AS asked (content)
CROSS JOIN LATERAL (SELECT sha256(convert_to(asked.content::text, 'UTF8'))) AS known (digest)
ORDER BY digest
ON CONFLICT (digest) DO NOTHING;
