"""Queries with which workers check the health of the server and the book."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

import asyncpg

from shared.ledger.postgres.statements import sql


class WhichBook(NamedTuple):
    """Identifies the book: differs after a restore, a server restart, or `rollforward restored`."""

    started_at: datetime
    database: int
    incarnation: int


class Waiting(NamedTuple):
    """What a session waits for: a lock and the sessions that hold it, else a wait event. None if
    there is none, or if we may not see it."""

    lock: str | None
    holders: list[str]
    event: str | None


class Hole(NamedTuple):
    """An object without its guards (table, function, role, ...), and what is wrong with it."""

    table: str
    lacks: str


class Gauges(NamedTuple):
    """Counts, and when the last run finished, in Unix seconds; None before the first."""

    parked: int
    quarantined: int
    running: int
    last_success: float | None


class Checked(NamedTuple):
    """Results of the hourly check: the figures of report.reconciliation, by name, which must all be
    0; the time of the oldest full read of any bucket, in Unix seconds (None: some bucket was never
    read); and the share of buckets, 0 to 1, that had a full read lately."""

    figures: dict[str, int]
    read_at: float | None
    reach: float


async def which_book(connection: asyncpg.Connection) -> WhichBook:
    return WhichBook(*await connection.fetchrow(sql("which_book")))


async def waits_for(connection: asyncpg.Connection, server_pid: int) -> Waiting:
    """Return what the session with a server process id waits for."""
    return Waiting(*await connection.fetchrow(sql("waits_for"), server_pid))


async def unguarded(connection: asyncpg.Connection, tables: Collection[str]) -> list[Hole]:
    """Return which of these tables are not protected as append-only; empty if all is well."""
    return [Hole(*row) for row in await connection.fetch(sql("unguarded"), tables)]


async def rights(
    connection: asyncpg.Connection, tables: Collection[str], append_only: Collection[str]
) -> list[Hole]:
    """Return owners, memberships and rights that would let somebody remove the guards or block the
    writers, and missing locks; empty if all is well. `tables` are named as in shape.json."""
    return [Hole(*row) for row in await connection.fetch(sql("rights"), tables, append_only)]


async def set_back(connection: asyncpg.Connection) -> list[Hole]:
    """Return the sequences that would give a position a second time; empty if all is well."""
    return [Hole(*row) for row in await connection.fetch(sql("set_back"))]


async def gauges(connection: asyncpg.Connection) -> Gauges:
    return Gauges(*await connection.fetchrow(sql("watch")))


async def turn(connection: asyncpg.Connection, checks: int) -> list[tuple[int, bool]]:
    """Return every bucket, and whether the check is to read all of its customers now. With `checks`
    checks in a row the whole book is read."""
    return [(row[0], row[1]) for row in await connection.fetch(sql("check_turn"), checks)]


async def check(connection: asyncpg.Connection, bucket: int, whole: bool, timeout: float) -> None:
    """Check a bucket's customers, all (`whole`) or those with new lines, and store the faults
    found; `timeout` in seconds. Stored faults stay until their customer is checked again."""
    await connection.execute(sql("check_bucket"), bucket, whole, timeout=timeout)


async def checked(connection: asyncpg.Connection, lately_seconds: int) -> Checked:
    read_at, reach, *figures = (row := await connection.fetchrow(sql("checked"), lately_seconds))
    return Checked(dict(zip(list(row.keys())[2:], figures, strict=True)), read_at, reach)
