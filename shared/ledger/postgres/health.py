"""What workers ask of the server and the book to know whether all is well."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

import asyncpg

from shared.ledger.postgres.statements import sql


class WhichBook(NamedTuple):
    """Differs after a restore, a restart of the server, or `rollforward restored`."""

    started_at: datetime
    database: int
    incarnation: int


class Waiting(NamedTuple):
    """What a session waits for: a lock and the sessions that hold it, else a wait event; None
    where there is none, or we may not see it."""

    lock: str | None
    holders: list[str]
    event: str | None


class Hole(NamedTuple):
    """What is not guarded (a table, function, role), and what is wrong with it."""

    table: str
    lacks: str


class Gauges(NamedTuple):
    """Counts, and when the last run was done, in Unix seconds; None before the first."""

    parked: int
    quarantined: int
    running: int
    last_success: float | None


class Checked(NamedTuple):
    """What the check of report.reconciliation has found: the figures that must be 0, by name;
    when the bucket was read whole that was so longest ago, in Unix seconds (None: not all were);
    and the share of buckets, 0 to 1, that were lately read whole."""

    figures: dict[str, int]
    read_at: float | None
    reach: float


async def which_book(connection: asyncpg.Connection) -> WhichBook:
    return WhichBook(*await connection.fetchrow(sql("which_book")))


async def waits_for(connection: asyncpg.Connection, server_pid: int) -> Waiting:
    """Return what the session of another backend waits for."""
    return Waiting(*await connection.fetchrow(sql("waits_for"), server_pid))


async def unguarded(connection: asyncpg.Connection, tables: Collection[str]) -> list[Hole]:
    """Return what keeps these tables from being append-only; empty when all is well."""
    return [Hole(*row) for row in await connection.fetch(sql("unguarded"), tables)]


async def rights(
    connection: asyncpg.Connection, tables: Collection[str], append_only: Collection[str]
) -> list[Hole]:
    """Return by which owner, membership or right the guards could be lifted or writers held up, and
    which locks are missing; empty when all is well. `tables` are named as in shape.json."""
    return [Hole(*row) for row in await connection.fetch(sql("rights"), tables, append_only)]


async def set_back(connection: asyncpg.Connection) -> list[Hole]:
    """Return the sequences that would give a position a second time; empty when all is well."""
    return [Hole(*row) for row in await connection.fetch(sql("set_back"))]


async def gauges(connection: asyncpg.Connection) -> Gauges:
    return Gauges(*await connection.fetchrow(sql("watch")))


async def turn(connection: asyncpg.Connection, checks: int) -> list[tuple[int, bool]]:
    """Return every bucket, and whether it is to be read whole now, so that `checks` calls read the
    whole book."""
    return [(row[0], row[1]) for row in await connection.fetch(sql("check_turn"), checks)]


async def check(connection: asyncpg.Connection, bucket: int, whole: bool, timeout: float) -> None:
    """Read a bucket's customers, all or those with new lines, and keep what differs; `timeout` in
    seconds. What was found before stays until that customer is read again."""
    await connection.execute(sql("check_bucket"), bucket, whole, timeout=timeout)


async def checked(connection: asyncpg.Connection, lately_seconds: int) -> Checked:
    read_at, reach, *figures = (row := await connection.fetchrow(sql("checked"), lately_seconds))
    return Checked(dict(zip(list(row.keys())[2:], figures, strict=True)), read_at, reach)
