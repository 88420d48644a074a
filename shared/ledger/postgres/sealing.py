"""Makes seals, and compares them with what the book holds now."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import asyncpg

from shared.ledger.audit.seal import (
    ALL,
    NEW,
    Reach,
    Seal,
    Sealing,
    chain_fault,
    difference,
    new_seal,
)
from shared.ledger.postgres.incarnations import opened
from shared.ledger.postgres.locks import lock_seal
from shared.ledger.postgres.statements import sql

SECONDS_MAX = 3600
"""Timeout of the queries: listing a large book takes longer than a connection's default allows."""
WIDTH = len(Seal._fields)
Write = Callable[[bytes], Any]


class Kept(NamedTuple):
    """A seal of the book, and the positions up to which it covers."""

    seal: Seal
    reach: Reach


async def seal(connection: asyncpg.Connection, write: Write | None = None) -> Seal:
    """Append the next seal and return it. It covers what was added since the last seal. With
    `write` it covers everything, and `write` gets the listing of heads.

    One process seals at a time. Everything is read in one snapshot, taken while the lock is held;
    rows written later to a bucket have higher positions.
    """
    async with connection.transaction(isolation="repeatable_read"):
        await lock_seal(connection)
        row = await connection.fetchrow(sql("seal_cursor"))
        made = await seals(connection)
        last = made[-1] if made else None
        reach = Reach(*row[1:])
        after = _nothing(reach) if write is not None or last is None else last.reach
        found = await sealing(connection, after, reach, write)
        cursor = reach.cursor(NEW if write is None else ALL)
        sealed = new_seal(last.seal if last else None, row["sealed_at"], cursor, found)
        await connection.execute(sql("add_seal"), *sealed, *reach[:3])
    return sealed


async def seals(connection: asyncpg.Connection) -> list[Kept]:
    """Return the seals of the book in order."""
    return [
        Kept(made := Seal(*row[:WIDTH]), Reach(row[-3], row[-2], row[-1], made.policies))
        for row in await connection.fetch(sql("seals"))
    ]


async def sealing(
    connection: asyncpg.Connection, after: Reach, upto: Reach, write: Write | None = None
) -> Sealing:
    """Return the roots and counts of what the book holds after one reach and up to another. Policy
    versions are always included from the first one on."""
    root, customers, rest = sha256(), 0, b""

    async def heads(data: bytes) -> None:
        nonlocal customers, rest
        root.update(data)
        if write is not None:
            write(data)
        *rows, rest = (rest + data).split(b"\n")
        customers += sum(not row.startswith(b",") for row in rows)  # ticks have no customer

    spans = (after.lines, upto.lines, after.commands, upto.commands)
    await connection.copy_from_query(
        sql("seal_heads"),
        *spans,
        after.conflicts,
        upto.conflicts,
        output=heads,
        format="csv",
        timeout=SECONDS_MAX,
    )
    counts = await connection.fetchrow(sql("seal_counts"), *spans, timeout=SECONDS_MAX)
    policies: list[bytes] = []

    async def versions(data: bytes) -> None:
        policies.append(data)

    await connection.copy_from_query(
        sql("seal_policies"), upto.policies, output=versions, format="csv"
    )
    listing = b"".join(policies)
    return Sealing(
        customers,
        counts["lines"],
        counts["commands"],
        listing.count(b"\n"),
        root.digest(),
        sha256(listing).digest(),
    )


async def broken_seal(
    connection: asyncpg.Connection, kept: Seal | None, write: Write | None = None
) -> str | None:
    """Return what is wrong with the book's seals or with the rows they cover; None if all is right.

    It recomputes the seal `kept`, whose copy was kept outside the book, and the latest seals back
    to one that covers everything: together these cover all sealed rows. `write` gets the listing of
    heads of `kept`.
    """
    made = await seals(connection)
    fault = chain_fault([each.seal for each in made]) or _reach_fault(made)
    if fault is not None:
        return fault
    before = dict(zip((each.seal for each in made), [None, *made], strict=False))
    if kept is not None:
        if kept not in before:
            gone = f"seal {kept.number} of {kept.hash.hex()} is no longer in the book"
            return gone + await _restored_since(connection, kept)
        fault = await _differs(connection, made[kept.number - 1], before[kept], write)
    for each in reversed(made):
        if fault is not None:
            return fault
        if each.seal != kept:
            fault = await _differs(connection, each, before[each.seal])
        if each.seal.covers_all:
            break
    return fault


async def _differs(
    connection: asyncpg.Connection, kept: Kept, before: Kept | None, write: Write | None = None
) -> str | None:
    """Return how the book differs from a seal; None if it does not."""
    seal, reach = kept
    after = _nothing(reach) if seal.covers_all or before is None else before.reach
    return difference(seal, await sealing(connection, after, reach, write))


def _reach_fault(made: Sequence[Kept]) -> str | None:
    """Return which seal's positions differ from those in its cursor text; None if all agree."""
    for seal, reach in made:
        covers = seal.cursor.partition(" ")[0]
        if covers in (NEW, ALL) and seal.cursor != reach.cursor(covers):
            return f"the positions of seal {seal.number} in the book are not those that it states"
    return None


def _nothing(reach: Reach) -> Reach:
    """Return the reach before the first row of any bucket."""
    zeros = [0] * len(reach.lines)
    return Reach(zeros, zeros, zeros, 0)


async def _restored_since(connection: asyncpg.Connection, kept: Seal) -> str:
    """Return a note if the book says that it was restored after a seal, else ''. This proves
    nothing: a tamperer could have written it."""
    later = [each for each in await opened(connection) if each.opened_at > kept.sealed_at]
    if not later:
        return ""
    number, at, reason = later[0]
    return (
        f"; the book says that it was restored to an earlier hour (incarnation {number}, opened "
        f"{at:%Y-%m-%d %H:%M %Z}: {reason}); AUDIT.md says how to tell that from tampering"
    )
