"""How fast `verify` reads a whole book, and how long a seal takes after few new lines."""

import os
import time

import asyncpg

from benches.fleet import SEEDING, bring_up_to_date, empty_fleet, fill, processor_seconds
from benches.history import Shape
from benches.measuring import Figures
from shared.embedded.fleet import Fleet
from shared.ledger.postgres import reports, sealing
from shared.operator.verify import verify as verified


async def verify(lines: int, shape: Shape) -> Figures:
    """Measure `verify` over a whole book."""
    async with empty_fleet(dict.fromkeys(SEEDING, 1)) as (fleet, connection):
        await fill(fleet, connection, shape.customers_for(lines), shape)
        await bring_up_to_date(fleet, connection)
        for name in SEEDING:
            await fleet.stop_worker(name)
        began, before = time.perf_counter(), _worked(fleet)
        found = await verified(connection, fleet.database_admin, lambda done, total: None)
        seconds, worked = time.perf_counter() - began, _worked(fleet) - before
        if found.fault is not None or found.seal is not None:
            raise AssertionError(f"the book of the benchmark is broken: {found}")
        return {
            "bench": "verify",
            "lines": found.lines,
            "customers": found.customers,
            "periods": shape.periods,
            "seconds": round(seconds, 3),
            "per_second": round(found.lines / seconds),
            "cpu_us_per_line": round(1e6 * worked / found.lines, 1),
            "cores": os.cpu_count(),
        }


def _worked(fleet: Fleet) -> float:
    """Return the processor time of this process and its descendants, without Kafka."""
    return processor_seconds(os.getpid()) - processor_seconds(fleet.server_pids["Kafka"])


async def seal(lines: int, new_lines: int, shape: Shape) -> Figures:
    """Measure a seal of a book that has about `new_lines` lines since the seal before."""
    async with empty_fleet({}) as (fleet, connection):
        history = await fill(fleet, connection, shape.customers_for(lines), shape)
        before = (await reports.counts(connection))["lines"]
        first = await _sealed_seconds(connection)
        few = min(Shape(1, shape.paid).customers_for(new_lines), history.customers)
        await history.write_month(connection, few)
        seconds = await _sealed_seconds(connection)
        after = (await reports.counts(connection))["lines"]
        return {
            "bench": "seal",
            "lines": after,
            "new_lines": after - before,
            "seconds": round(seconds, 3),
            "first_seconds": round(first, 3),
        }


async def _sealed_seconds(connection: asyncpg.Connection) -> float:
    """Seal the book and return the seconds that it took."""
    began = time.perf_counter()
    await sealing.seal(connection)
    return time.perf_counter() - began
