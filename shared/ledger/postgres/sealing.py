"""Seals in the book: made, and compared with what the book holds now."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import asyncpg

from shared.ledger.audit.seal import Seal, Sealing, chain_fault, difference, new_seal
from shared.ledger.postgres.incarnations import opened
from shared.ledger.postgres.locks import lock_seal
from shared.ledger.postgres.statements import sql

SECONDS_MAX = 3600
"""A worker's connection is less patient than the listing of a large book is long."""
Write = Callable[[bytes], Any]


async def seal(connection: asyncpg.Connection, write: Write | None = None) -> Seal:
    """Append the next seal and return it; `write` is given the listing of heads as it comes.

    One process seals at a time. All is read as of one snapshot, taken when the lock is held, and
    covers the transactions that no open one precedes.
    """
    async with connection.transaction(isolation="repeatable_read"):
        await lock_seal(connection)
        row = await connection.fetchrow(sql("seal_cursor"))
        made = await seals(connection)
        found = await sealing(connection, row["cursor"], write)
        last = made[-1] if made else None
        sealed = new_seal(last, row["sealed_at"], row["cursor"], found)
        await connection.execute(sql("add_seal"), *sealed)
    return sealed


async def seals(connection: asyncpg.Connection) -> list[Seal]:
    return [Seal(*row) for row in await connection.fetch(sql("seals"))]


async def sealing(
    connection: asyncpg.Connection, cursor: str, write: Write | None = None
) -> Sealing:
    """Return what the book holds of the transactions before a cursor."""
    root, counts = sha256(), [0, 0, 0]
    rest = b""

    async def heads(data: bytes) -> None:
        nonlocal rest
        root.update(data)
        if write is not None:
            write(data)
        rows = (rest + data).split(b"\n")
        rest = rows.pop()
        for row in rows:
            customer_id, seq, _, commands, _ = row.split(b",")
            counts[0] += bool(customer_id)
            counts[1] += int(seq or 0)
            counts[2] += int(commands or 0)

    await connection.copy_from_query(
        sql("seal_heads"), cursor, output=heads, format="csv", timeout=SECONDS_MAX
    )
    policies: list[bytes] = []

    async def versions(data: bytes) -> None:
        policies.append(data)

    await connection.copy_from_query(sql("seal_policies"), cursor, output=versions, format="csv")
    listing = b"".join(policies)
    return Sealing(
        counts[0],
        counts[1],
        counts[2],
        listing.count(b"\n"),
        root.digest(),
        sha256(listing).digest(),
    )


async def broken_seal(
    connection: asyncpg.Connection, kept: Seal | None, write: Write | None = None
) -> str | None:
    """Return what is wrong with the book's seals, or with the book under them; None when all is
    right. The last one is recomputed, for it covers all before it; so is `kept`, one that was
    kept elsewhere. `write` is given the listing of heads as of `kept`."""
    made = await seals(connection)
    fault = chain_fault(made)
    if fault is not None:
        return fault
    if kept is not None:
        if kept not in made:
            gone = f"seal {kept.number} of {kept.hash.hex()} is no longer in the book"
            return gone + await _restored_since(connection, kept)
        fault = difference(kept, await sealing(connection, kept.cursor, write))
    if fault is None and made and made[-1] != kept:
        fault = difference(made[-1], await sealing(connection, made[-1].cursor))
    return fault


async def _restored_since(connection: asyncpg.Connection, kept: Seal) -> str:
    """Say where the book claims to have been restored after a seal; the claim proves nothing."""
    later = [each for each in await opened(connection) if each.opened_at > kept.sealed_at]
    if not later:
        return ""
    number, at, reason = later[0]
    return (
        f"; the book says that it was restored to an earlier hour (incarnation {number}, opened "
        f"{at:%Y-%m-%d %H:%M %Z}: {reason}); AUDIT.md says how to tell that from tampering"
    )
