"""Terms by reference: all customers who agreed to the same have one row of book.terms, which never
changes. So a worker reads and decodes it once a connection, and a run reads ids only."""

from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary

import asyncpg

from shared.ledger.errors import Unreadable
from shared.ledger.postgres.statements import sql
from shared.ledger.postgres.stored import read_terms
from shared.ledger.terms import Terms, encode

KNOWN_MAX = 5000
"""Number of terms that each connection remembers, as many as a bill page may need; 2 kB each."""

_known: WeakKeyDictionary[asyncpg.Connection, dict[int, Terms]] = WeakKeyDictionary()
"""Terms by id. Each connection has its own, because in another book an id means other terms, and in
this one too after a restore, which no connection outlives."""


async def terms_of(
    connection: asyncpg.Connection, ids: set[int]
) -> tuple[Mapping[int, Terms], dict[int, Unreadable]]:
    """Return terms by id (more than were asked for, perhaps), and why the others cannot be read."""
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
                said = f"terms of the account cannot be read: the book has no terms {terms_id}"
                raise Unreadable(said)
            known[terms_id] = read_terms(rows[terms_id])
        except Unreadable as error:
            broken[terms_id] = error
    return known, broken


async def ids_of(connection: asyncpg.Connection, terms: Sequence[Terms]) -> list[int]:
    """Return the id of each of these terms; those that are new are appended to the book.

    Call it once in a transaction: a second call could deadlock with another batch's.
    """
    texts = [encode(each) for each in terms]
    asked = list(dict.fromkeys(texts))
    ids = await _ids(connection, asked)
    missing = [text for text in asked if ids[text] is None]
    if missing:
        await connection.execute(sql("add_terms"), missing)
        # Read afterwards: what another batch has just committed only a new statement can see.
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
