"""Incarnations of the book, opened after a restore, and the notices held since then."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from shared.ledger.numbers import Number
from shared.ledger.postgres import fleet
from shared.ledger.postgres.locks import lock_every_bucket, lock_fleet
from shared.ledger.postgres.outgoing import ask_for_rechecks
from shared.ledger.postgres.statements import sql
from shared.ledger.postgres.void_documents import enter_void

FIRST = 1
"""The incarnation of a book that was never restored. It has no row."""


class Opened(NamedTuple):
    """One row of book.incarnation."""

    number: int
    opened_at: datetime
    reason: str


class Newest(NamedTuple):
    """When the newest line was written (None: there are no lines), and the latest policy
    version."""

    line_at: datetime | None
    policy_version: int


async def newest_known(connection: asyncpg.Connection) -> Newest:
    return Newest(*await connection.fetchrow(sql("newest_known")))


async def opened(connection: asyncpg.Connection) -> list[Opened]:
    return [Opened(*row) for row in await connection.fetch(sql("incarnations"))]


async def open_next(
    connection: asyncpg.Connection, number: int, reason: str, handed_out: Sequence[Number] = ()
) -> tuple[bool, list[Number]]:
    """Open incarnation `number`, hold notices, and enter numbers of documents that were given out
    since as void. Returns whether it was opened (False if it or a later one is open already), and
    the numbers entered, which may be more (`enter_void`).

    Notices that the relay has not published yet are held too. Raises Taken; then nothing changes.
    """
    async with connection.transaction():
        await lock_fleet(connection)
        await lock_every_bucket(connection)
        entered = await enter_void(connection, handed_out) if handed_out else []
        if await fleet.incarnation(connection) >= number:
            return False, entered
        await connection.execute(sql("add_incarnation"), number, reason)
        await connection.execute(sql("hold_notices"), True)
        await connection.execute(sql("withhold_notices"))
    return True, entered


async def notices_held(connection: asyncpg.Connection) -> bool:
    return (await fleet.state(connection)).notices_held


async def release(connection: asyncpg.Connection, rechecks: str) -> int:
    """Release the held notices and return how many there are. A recheck of every customer is
    requested on the topic `rechecks`; the notifier sends a customer's held notices when it handles
    theirs."""
    async with connection.transaction():
        count = int(await connection.fetchval(sql("held_count")))
        await _go_on(connection, rechecks)
    return count


async def discard(connection: asyncpg.Connection, rechecks: str) -> int:
    """Discard the held notices, and stop holding new ones; return how many were discarded."""
    async with connection.transaction():
        count = len(await connection.fetch(sql("discard_notices")))
        await _go_on(connection, rechecks)
    return count


async def _go_on(connection: asyncpg.Connection, rechecks: str) -> None:
    """Stop holding notices, and have every entitlement published again: in the time that the
    restore lost, another one may have been published, and only a higher incarnation replaces it."""
    await connection.execute(sql("hold_notices"), False)
    await ask_for_rechecks(connection, rechecks)


async def notices(connection: asyncpg.Connection, status: str | None) -> list[Any]:
    return list(await connection.fetch(sql("notices"), status))
