"""What holds for the whole fleet: what it was set up with, its business date, its incarnation."""

from datetime import date
from typing import NamedTuple

import asyncpg

from shared.ledger.postgres.statements import sql


class SetUp(NamedTuple):
    """What a fleet was set up with; `zone` is an IANA name. Partitions may be multiplied later,
    zone and buckets stay."""

    partitions: int
    zone: str
    buckets: int


class State(NamedTuple):
    """The book's incarnation, 1 until it is restored, and whether texts wait for a person."""

    incarnation: int
    notices_held: bool


async def set_up(connection: asyncpg.Connection) -> SetUp | None:
    """Return what the fleet was set up with; None before `rollforward migrate`."""
    row = await connection.fetchrow(sql("fleet_setup"))
    return None if row is None else SetUp(*row)


async def partitions(connection: asyncpg.Connection) -> int:
    """Return how many partitions the topics of a fleet that is set up have."""
    return int(await connection.fetchval(sql("fleet_setup")))


def differs(known: SetUp, zone: str, buckets: int) -> str | None:
    """Return how settings differ from what the fleet was set up with; None where they fit.

    The zone decides when a day begins, and the buckets which lock protects a customer: two workers
    that differ in them would bill on different days, or write one customer at once.
    """
    if (known.zone, known.buckets) == (zone, buckets):
        return None
    return (
        f"the fleet has {known.buckets} buckets in zone {known.zone}, and these settings mean"
        f" {buckets} in {zone}; see ROLLFORWARD_PARTITIONS (the fleet has {known.partitions}) and"
        " ROLLFORWARD_ZONE"
    )


async def set_partitions(connection: asyncpg.Connection, count: int) -> None:
    """Set how many partitions the topics have; they divide the buckets, or the book refuses."""
    await connection.execute(sql("set_partitions"), count)


async def state(connection: asyncpg.Connection) -> State:
    return State(*await connection.fetchrow(sql("incarnation")))


async def incarnation(connection: asyncpg.Connection) -> int:
    """Return the book's incarnation: 1, and one more each time that it was restored."""
    return (await state(connection)).incarnation


async def move_business_date(connection: asyncpg.Connection, day: date) -> None:
    """Move the business date to a day, never back."""
    await connection.execute(sql("set_business_date"), day)
