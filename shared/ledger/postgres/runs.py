"""Runs and their pages: claimed, sent, billed page by page, finished."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

import asyncpg

from shared.ledger.postgres.save import insert
from shared.ledger.postgres.statements import sql

RUN = ("tick_id", "period", "as_of", "trigger")


class NewRun(NamedTuple):
    """A run to add for an accepted tick; `trigger` is nightly, manual, ..."""

    tick_id: str
    period: str
    as_of: date
    trigger: str


class StalePage(NamedTuple):
    tick_id: str
    number: int


class RunPage(NamedTuple):
    """A page of a run: buckets [first_bucket, end_bucket); the place after which to continue
    (`at_bucket` and the customer `after`); when it was finished (None: not yet); and the day up to
    which it bills."""

    first_bucket: int
    end_bucket: int
    at_bucket: int
    after: str
    finished_at: datetime | None
    as_of: date

    @property
    def is_new(self) -> bool:
        return not self.after and self.at_bucket == self.first_bucket


class PageCounts(NamedTuple):
    """What a page did: numbers of customers, but `billed` and `skipped` count periods."""

    billed: int = 0
    skipped: int = 0
    already_billed: int = 0
    quarantined: int = 0


class ClockTick(NamedTuple):
    """The last day for which the fleet's clock ticked, and the database's current time."""

    day: date | None
    database_now: datetime


async def add(connection: asyncpg.Connection, new: Sequence[NewRun]) -> None:
    await insert(connection, "run", RUN, new)


async def claim(connection: asyncpg.Connection, period: str) -> str | None:
    """Claim a month for its oldest waiting run; return the tick's id. Returns None if another run
    of the month is claimed and unfinished, or none waits. Raises UniqueViolationError if two
    workers claim at the same time."""
    tick_id: str | None = await connection.fetchval(sql("claim_run"), period)
    return tick_id


async def add_pages(connection: asyncpg.Connection, tick_id: str) -> list[int]:
    """Add the pages of a claimed run; return their numbers, from 0."""
    return [row["number"] for row in await connection.fetch(sql("add_pages"), tick_id)]


async def waiting_periods(connection: asyncpg.Connection) -> list[str]:
    """Return the months with a run to claim: one waits, and none is claimed and unfinished."""
    return [row["period"] for row in await connection.fetch(sql("waiting_periods"))]


async def stale_pages(connection: asyncpg.Connection, seconds: float) -> list[StalePage]:
    """Return unfinished pages that have not moved for `seconds`, and mark them as sent now."""
    return [StalePage(*row) for row in await connection.fetch(sql("stale_pages"), seconds)]


async def page(connection: asyncpg.Connection, tick_id: str, number: int) -> RunPage | None:
    """Return a page without locking it; None if there is no such page."""
    row = await connection.fetchrow(sql("page"), tick_id, number)
    return None if row is None else RunPage(*row)


async def lock_page(connection: asyncpg.Connection, tick_id: str, number: int) -> RunPage | None:
    """Lock a page and return it; None if there is no such page."""
    row = await connection.fetchrow(sql("lock_page"), tick_id, number)
    return None if row is None else RunPage(*row)


async def move_page(
    connection: asyncpg.Connection,
    tick_id: str,
    number: int,
    behind: tuple[int, str],
    counts: PageCounts,
    last: bool,
) -> None:
    """Advance a page past a (bucket, customer) and add to its counts; `last` finishes it."""
    await connection.execute(sql("move_page"), tick_id, number, *behind, *counts, last)


async def finish(connection: asyncpg.Connection, tick_id: str) -> None:
    """Finish a run if all its pages are done. The run must be locked."""
    await connection.execute(sql("finish_run"), tick_id)


async def is_finished(connection: asyncpg.Connection, tick_id: str) -> bool:
    """Return whether the run of a tick is finished; False if there is no run yet."""
    return bool(await connection.fetchval(sql("run_finished"), tick_id))


async def last_clock_tick(connection: asyncpg.Connection) -> ClockTick:
    return ClockTick(*await connection.fetchrow(sql("last_clock_tick")))


async def seal_is_due(connection: asyncpg.Connection) -> bool:
    """Return whether a run has ended since the last seal, no run is unfinished, and the last seal
    was made on an earlier day."""
    return bool(await connection.fetchval(sql("seal_due")))
