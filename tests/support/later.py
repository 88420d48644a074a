"""A book that a later release has migrated: workers take its constraints as they are."""

MIGRATED_LATER = (
    "INSERT INTO book.migration (name) VALUES ('9998_later.sql') ON CONFLICT DO NOTHING"
)
"""Without it, workers end on a constraint or trigger that a test adds to a table of the book."""
