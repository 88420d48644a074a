"""State of the whole fleet: its set-up, business date and incarnation."""

from datetime import date
from typing import NamedTuple

import asyncpg

from shared.ledger.postgres.statements import sql


class SetUp(NamedTuple):
    """The settings of a fleet; `zone` is an IANA name. Partitions may be multiplied later, zone and
    buckets never change."""

    partitions: int
    zone: str
    buckets: int


class State(NamedTuple):
    """The book's incarnation, 1 until a restore, and whether notices are held."""

    incarnation: int
    notices_held: bool


async def set_up(connection: asyncpg.Connection) -> SetUp | None:
    """Return the fleet's set-up; None before `rollforward migrate`."""
    row = await connection.fetchrow(sql("fleet_setup"))
    return None if row is None else SetUp(*row)


async def partitions(connection: asyncpg.Connection) -> int:
    """Return how many partitions the fleet's topics have. The fleet must be set up."""
    return int(await connection.fetchval(sql("fleet_setup")))


def differs(known: SetUp, zone: str, buckets: int) -> str | None:
    """Return how these settings differ from the fleet's set-up; None if they are equal.

    The zone decides when a day begins, and the number of buckets which lock protects a customer.
    Workers that differ in them would bill on different days, or write one customer at the same
    time.
    """
    if (known.zone, known.buckets) == (zone, buckets):
        return None
    return (
        f"the fleet has {known.buckets} buckets in zone {known.zone}, and these settings mean"
        f" {buckets} in {zone}; see ROLLFORWARD_PARTITIONS (the fleet has {known.partitions}) and"
        " ROLLFORWARD_ZONE"
    )


async def set_partitions(connection: asyncpg.Connection, count: int) -> None:
    """Set the number of partitions of the topics. A constraint fails unless it divides the
    buckets."""
    await connection.execute(sql("set_partitions"), count)


async def state(connection: asyncpg.Connection) -> State:
    return State(*await connection.fetchrow(sql("incarnation")))


async def incarnation(connection: asyncpg.Connection) -> int:
    """Return the book's incarnation: 1, plus one for each restore."""
    return (await state(connection)).incarnation


async def move_business_date(connection: asyncpg.Connection, day: date) -> None:
    """Advance the business date to a day; an earlier day has no effect."""
    await connection.execute(sql("set_business_date"), day)
