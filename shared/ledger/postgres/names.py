"""Names that are unique in the whole fleet: payment references and usernames.

Customers of different buckets may ask for the same one at the same time, so no bucket's lock
protects them. A batch reads who holds a name, decides, and writes; if somebody else has taken or
freed it meanwhile, the write fails and the batch is judged again.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import asyncpg

from shared.ledger.fold import Fold
from shared.ledger.postgres.statements import sql
from shared.ledger.references import Held, Reference
from shared.ledger.world import World


class ChangedMeanwhile(asyncpg.UniqueViolationError):  # type: ignore[misc]
    """Another batch has changed who holds a name since this one has read it. As for a key that is
    there already, trying again helps."""


async def load_references(
    connection: asyncpg.Connection, world: World, asked: Iterable[Reference]
) -> None:
    """Load into the world which live payments hold these references."""
    keys = sorted(set(asked))
    if keys:
        methods, references = zip(*keys, strict=True)
        for row in await connection.fetch(sql("references_held"), methods, references):
            held = Held(tuple(row["payments"].split(" ")), row["shared"])
            world.references[row["method"], row["reference"]] = held


async def load_usernames(
    connection: asyncpg.Connection, world: World, asked: Iterable[str]
) -> None:
    """Load into the world which customers go by these usernames."""
    names = sorted(set(asked))
    if names:
        world.usernames.update(await connection.fetch(sql("usernames_held"), names))


async def save_names(connection: asyncpg.Connection, fold: Fold) -> None:
    """Save who holds the references and usernames that a fold has taken or given up."""
    await _save_references(connection, fold.references, fold.world.references)
    await _save_usernames(connection, fold.usernames, fold.world.usernames)


async def _save_references(
    connection: asyncpg.Connection,
    touched: Mapping[Reference, Held | None],
    now: Mapping[Reference, Held],
) -> None:
    taken, kept, freed = [], [], []
    for key, before in sorted(touched.items()):
        after = now.get(key)
        if before is None and after is not None:
            taken.append((*key, _told(after), after.shared))
        elif before is not None and after is None:
            freed.append((*key, _told(before)))
        elif before is not None and after is not None and before != after:
            kept.append((*key, _told(before), _told(after), after.shared))
    await _write(connection, sql("free_references"), freed)
    await _write(connection, sql("share_references"), kept)
    await _write(connection, sql("hold_references"), taken)


def _told(held: Held) -> str:
    return " ".join(held.payments)


async def _save_usernames(
    connection: asyncpg.Connection, touched: Mapping[str, str | None], now: Mapping[str, str]
) -> None:
    moved = [
        (username, before, now.get(username))
        for username, before in sorted(touched.items())
        if before != now.get(username)
    ]
    given_up = [(username, before) for username, before, _ in moved if before is not None]
    taken = [(username, after) for username, _, after in moved if after is not None]
    await _write(connection, sql("give_up_usernames"), given_up)
    await _write(connection, sql("take_usernames"), taken)


async def _write(
    connection: asyncpg.Connection, statement: str, rows: Sequence[Sequence[Any]]
) -> None:
    """Run a statement that writes one row for each of these."""
    if not rows:
        return
    columns = (list(column) for column in zip(*rows, strict=True))
    status = await connection.execute(statement, *columns)
    if int(status.split(" ")[-1]) != len(rows):
        raise ChangedMeanwhile(f"{status}, wanted {len(rows)} rows")
