"""The measurements behind `bench`: each returns the figures of one run."""

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from benches.bare import create_topic
from benches.events import LAST, cancellation, customer_id, payment, tick
from benches.events import payments as payments_of
from benches.fleet import ALL, applied, fleet_of, peak_rss_mb, run_done
from benches.leaving import OUT, Leaving
from shared.embedded.fleet import Fleet
from shared.ledger.line import Line
from shared.ledger.period import months_after
from shared.ledger.postgres import baselines, documents, positions
from shared.operator.printing import progress
from shared.operator.publish import Publisher, publish
from shared.operator.settle import settle
from shared.runtime.database import Database
from shared.runtime.health import Health
from shared.runtime.numbering import Numbering
from shared.runtime.settings import Settings, inherited_environment
from shared.schemas.envelope import Message
from shared.schemas.topics import PAYMENTS

SEED = 2026
BARE = "bench.bare"
WARM_UP = 20
POLL_SECONDS = 0.0005

Figures = dict[str, Any]


async def bill_run(customers: int, age: int, copies: int, whole_fleet: bool) -> Figures:
    """A bill for each customer, from the tick on Kafka to the last committed line; and until the
    last invoice has its number, which the relay worker does, or else this process."""
    workers = (ALL if whole_fleet else {"coordinator": 1}) | {"generator": copies}
    async with fleet_of(workers, customers, age) as (fleet, connection):
        if whole_fleet:
            await settle(fleet.kafka, fleet.database_admin, timeout=3600)
        before = await baselines.last_position(connection)
        more: Figures = {"customers": customers, "age": age, "workers": workers}
        if whole_fleet:
            async with Leaving(fleet.kafka, OUT) as leaving:
                seconds, numbered = await _run_and_documents(fleet, connection)
                await settle(fleet.kafka, fleet.database_admin, timeout=3600)
            more |= leaving.seconds()
        else:
            await documents.number_all(connection)
            await baselines.settle_tables(connection)
            async with _numbering(fleet):
                seconds, numbered = await _run_and_documents(fleet, connection)
        more["documents_seconds"] = round(numbered, 3)
        return await _beside(fleet, connection, "bill-run", before, seconds) | more


async def _run_and_documents(fleet: Fleet, connection: asyncpg.Connection) -> tuple[float, float]:
    """Run the bills of the month after `LAST`; return the seconds from the tick to the last commit,
    and to the last document's number."""
    began = time.perf_counter()
    seconds = await run_seconds(fleet, connection)
    while not await documents.all_numbered(connection):
        await asyncio.sleep(POLL_SECONDS)
    return seconds, time.perf_counter() - began


@asynccontextmanager
async def _numbering(fleet: Fleet) -> AsyncIterator[None]:
    """Number documents in this process, as the relay worker does beside publishing."""
    database = Database(fleet.database_admin, "bench")
    numbering = Numbering(fleet.kafka, database, Health())
    task = asyncio.create_task(numbering.run())
    try:
        yield
    finally:
        numbering.stop()
        await task
        await database.close()


async def run_seconds(fleet: Fleet, connection: asyncpg.Connection) -> float:
    """Run the bills of the month after `LAST`; return the seconds from tick to last commit."""
    day = f"{months_after(LAST, 1)}-01"
    began = time.perf_counter()
    await publish(fleet.kafka, [tick(day)])
    await run_done(connection, day)
    return time.perf_counter() - began


async def payments(customers: int, count: int, age: int, copies: int, whole_fleet: bool) -> Figures:
    """A backlog of payments. The clock starts when the collector has committed its first batch,
    so that its start is not counted; neither is that batch."""
    workers = (ALL if whole_fleet else {}) | {"collector": copies}
    async with fleet_of(workers, customers, age) as (fleet, connection):
        if whole_fleet:
            await settle(fleet.kafka, fleet.database_admin, timeout=3600)
        collectors = [name for name in fleet.pids if name.startswith("collector")]
        for name in collectors:
            await fleet.stop_worker(name)
        before = await baselines.last_position(connection)
        measured, seconds = await payments_seconds(fleet, connection, customers, count, collectors)
        share = count / max(measured, 1)
        figures = await _beside(fleet, connection, "payments", before, seconds * share)
        more = {"units": measured, "seconds": round(seconds, 3)}
        return figures | more | {"customers": customers, "age": age, "workers": workers}


async def payments_seconds(
    fleet: Fleet,
    connection: asyncpg.Connection,
    customers: int,
    count: int,
    collectors: Sequence[str],
) -> tuple[int, float]:
    """Publish payments, then start the collectors, which are stopped. Return how many payments
    came after the first batch, and the seconds that these took."""
    await publish(fleet.kafka, payments_of(count, customers, SEED))
    starting = asyncio.gather(*map(fleet.start_worker, collectors))
    await applied(connection, "collector", PAYMENTS, 1)
    first = await positions.applied(connection, "collector", PAYMENTS)
    began = time.perf_counter()
    await applied(connection, "collector", PAYMENTS, count)
    seconds = time.perf_counter() - began
    await starting
    if count <= first:
        progress("all payments were one batch: measure more payments with --count")
    return count - first, seconds


async def latency(customers: int, count: int, age: int) -> Figures:
    """Payments one after the other on a quiet fleet, and the same through the bare loop."""
    async with fleet_of(ALL, customers, age) as (fleet, connection), _bare(fleet, connection):
        await settle(fleet.kafka, fleet.database_admin, timeout=3600)
        before = await baselines.last_position(connection)
        ids = [f"{SEED}-{number}" for number in range(count + WARM_UP)]
        began = time.perf_counter()
        ours = await _times(
            fleet,
            [payment(ids[at], at % customers) for at in range(len(ids))],
            lambda at: _visible(connection, at % customers, f"payment/{ids[at]}", 1),
        )
        seconds = time.perf_counter() - began
        bare = await _times(fleet, [Message(BARE, b"", b"x", [])] * len(ids), _Bare(connection))
        figures = await _beside(fleet, connection, "latency", before, seconds)
        return figures | _percentiles(ours) | {"bare_p50_ms": _p50(bare), "age": age}


async def cascade(count: int, age: int) -> Figures:
    """Cancellations of the oldest of many periods, beside a bare insert of as many rows."""
    async with fleet_of(ALL, count + WARM_UP, age) as (fleet, connection):
        await settle(fleet.kafka, fleet.database_admin, timeout=3600)
        oldest = months_after(LAST, 1 - age)
        everyone = range(count + WARM_UP)
        heads = await _times(
            fleet,
            [payment(f"head-{number}", number) for number in everyone],
            lambda at: _visible(connection, at, f"payment/head-{at}", 1),
        )
        before = await baselines.last_position(connection)
        began = time.perf_counter()
        ours = await _times(
            fleet,
            [cancellation(number, oldest) for number in everyone],
            lambda at: _visible(connection, at, f"cancellation/{at}-{oldest}", age),
        )
        seconds = time.perf_counter() - began
        lines = await baselines.lines_after(connection, before)
        bare = await _bare_inserts(connection, before, lines, age)
        figures = await _beside(fleet, connection, "cascade", before, seconds)
        return (
            figures
            | _percentiles(ours)
            | {"bare_p50_ms": _p50(bare), "head_payment_p50_ms": _p50(heads), "age": age}
        )


# Figures ------------------------------------------------------------------------------------


async def _beside(
    fleet: Fleet, connection: asyncpg.Connection, bench: str, before: int, seconds: float
) -> Figures:
    """Return the figures of the lines written since `before`, beside their baselines."""
    peak = peak_rss_mb(fleet)
    lines = await baselines.lines_after(connection, before)
    for name in list(fleet.pids):  # the baselines have the machine to themselves
        await fleet.stop_worker(name)
    copied = await baselines.copy_per_second(connection, before, lines)
    single = await baselines.single_per_second(connection, before, lines)
    per_second = len(lines) / seconds
    return {
        "bench": bench,
        "units": len(lines),
        "seconds": round(seconds, 3),
        "per_second": round(per_second),
        "copy_per_second": round(copied),
        "ratio": round(per_second / copied, 4),
        "single_per_second": round(single),
        "peak_rss_mb": peak,
    }


def _percentiles(times: Sequence[float]) -> Figures:
    ordered = sorted(times)
    at = min(len(ordered) - 1, int(len(ordered) * 0.99))
    return {"p50_ms": _p50(times), "p99_ms": round(ordered[at] * 1000, 2)}


def _p50(times: Sequence[float]) -> float:
    return round(statistics.median(times) * 1000, 2)


# One after the other ------------------------------------------------------------------------


async def _times(
    fleet: Fleet, messages: Sequence[Message], seen: Callable[[int], Awaitable[bool]]
) -> list[float]:
    """Send messages one by one, each when the one before was seen; return how long each took.

    The first few warm up and do not count.
    """
    times = []
    async with Publisher(fleet.kafka) as publisher:
        for at, message in enumerate(messages):
            began = time.perf_counter()
            await publisher.send(message)
            async with asyncio.timeout(60):
                while not await seen(at):
                    await asyncio.sleep(POLL_SECONDS)
            times.append(time.perf_counter() - began)
    return times[WARM_UP:]


async def _visible(
    connection: asyncpg.Connection, number: int, command_id: str, lines: int
) -> bool:
    found = await baselines.lines_of_command(connection, customer_id(number), command_id)
    return found >= lines


class _Bare:
    """Whether the bare loop has committed the record sent last."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def __call__(self, at: int) -> bool:
        return await baselines.bare_rows(self._connection) > at


@asynccontextmanager
async def _bare(fleet: Fleet, connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Run the bare loop beside the fleet, a process like a worker."""
    await baselines.make_twin(connection, 0)
    await create_topic(fleet.kafka, BARE)
    servers = Settings().with_servers(fleet.kafka, fleet.database_admin)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benches.bare", BARE),
        env=inherited_environment(**servers.environment()),
    )
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def _bare_inserts(
    connection: asyncpg.Connection, before: int, lines: Sequence[Line], age: int
) -> list[float]:
    """Insert the lines of each cascade again, bare, and return how long each took."""
    await baselines.make_twin(connection, before)
    return [
        await baselines.insert_seconds(connection, lines[at : at + age])
        for at in range(0, len(lines), age)
    ]
