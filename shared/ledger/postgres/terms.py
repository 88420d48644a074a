"""Terms by id: customers with equal terms share one row of book.terms, which never changes. So
each connection reads and decodes a row once, and a run reads only ids."""

from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary

import asyncpg

from shared.ledger.errors import Unreadable
from shared.ledger.postgres.statements import sql
from shared.ledger.postgres.stored import read_terms
from shared.ledger.terms import Terms, encode

KNOWN_MAX = 5000
"""Size of each connection's cache: as many terms as a bill page may need; 2 kB each."""

_known: WeakKeyDictionary[asyncpg.Connection, dict[int, Terms]] = WeakKeyDictionary()
"""Cached terms by id. Each connection has its own cache: in another book, or in this one after a
restore, an id may mean other terms, and no connection outlives a restore."""


async def terms_of(
    connection: asyncpg.Connection, ids: set[int]
) -> tuple[Mapping[int, Terms], dict[int, Unreadable]]:
    """Return terms by id, perhaps more than asked for; and by id, why the others cannot be read."""
    known = _known.setdefault(connection, {})
    missing = ids - known.keys()
    if not missing:
        return known, {}
    if len(known) + len(missing) > KNOWN_MAX:
        known = _known[connection] = {each: known[each] for each in ids - missing}
    broken: dict[int, Unreadable] = {}
    rows = dict(await connection.fetch(sql("terms"), list(missing)))
    for terms_id in missing:
        try:
            if terms_id not in rows:
                why = f"terms of the account cannot be read: the book has no terms {terms_id}"
                raise Unreadable(why)
            known[terms_id] = read_terms(rows[terms_id])
        except Unreadable as error:
            broken[terms_id] = error
    return known, broken


async def ids_of(connection: asyncpg.Connection, terms: Sequence[Terms]) -> list[int]:
    """Return the id of each of these terms, in order; terms new to the book are appended.

    Call it only once per transaction: a second call could deadlock with another batch.
    """
    texts = [encode(each) for each in terms]
    asked = list(dict.fromkeys(texts))
    ids = await _ids(connection, asked)
    missing = [text for text in asked if ids[text] is None]
    if missing:
        await connection.execute(sql("add_terms"), missing)
        # A new statement, because only that sees terms that another batch has just committed.
        ids |= await _ids(connection, missing)
    found = []
    for text in texts:
        terms_id = ids[text]
        assert terms_id is not None, "terms were appended and are not there"
        found.append(terms_id)
    return found


async def _ids(connection: asyncpg.Connection, texts: Sequence[str]) -> dict[str, int | None]:
    rows = await connection.fetch(sql("terms_ids"), texts)
    return {text: row[0] for text, row in zip(texts, rows, strict=True)}
