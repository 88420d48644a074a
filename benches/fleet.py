"""The fleet that a benchmark measures, prepared with customers who have some periods already."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import asyncpg
import psutil

from benches.events import LAST, signups, tick
from benches.history import History, Shape, world_at
from services.workers import WORKERS, worker_command
from shared.embedded.fleet import Fleet
from shared.embedded.preparing import prepare
from shared.kafka.buckets import bucket_of
from shared.ledger.period import months_after
from shared.ledger.postgres import baselines, documents, positions, reports, runs
from shared.ledger.sentences import counted
from shared.operator.printing import Counter, progress
from shared.operator.publish import publish
from shared.runtime.connecting import connect
from shared.runtime.settings import Settings
from shared.schemas.topics import RECHECKS, SIGNUPS

ALL = dict.fromkeys(WORKERS, 1)
"""One worker of each kind, as `up` starts them."""
SEEDING = ("coordinator", "generator")
"""The workers that take a tick and bill."""
POLICY = """\
[[tax]]
code = "VAT"
rate = "5"
from = 2000-01-01
[[staff]]
id = "bench"
may = ["cancel"]
"""
POLL_SECONDS = 0.005
PATIENCE_SECONDS = 3600


@asynccontextmanager
async def fleet_of(
    workers: Mapping[str, int], customers: int, age: int
) -> AsyncIterator[tuple[Fleet, asyncpg.Connection]]:
    """Run a fleet whose customers each have `age` periods, the last one labelled `LAST`: made by
    signups and ticks on Kafka."""
    async with empty_fleet({**dict.fromkeys(SEEDING, 1), **workers}) as (fleet, connection):
        began = time.perf_counter()
        await _seed(fleet, connection, customers, age)
        for name in SEEDING:
            if name not in workers:
                await fleet.stop_worker(name)
        await baselines.settle_tables(connection)
        seconds = time.perf_counter() - began
        progress(f"{_so_many(customers, age)} after {seconds:.0f} s")
        yield fleet, connection


@asynccontextmanager
async def empty_fleet(
    workers: Mapping[str, int],
) -> AsyncIterator[tuple[Fleet, asyncpg.Connection]]:
    """Run a fleet with a policy and without customers; its folder goes away afterwards."""
    settings = Settings()
    with tempfile.TemporaryDirectory(prefix="rollforward-bench-", ignore_cleanup_errors=True) as at:
        async with Fleet(
            Path(at), workers, prepare=prepare(settings), command=worker_command, settings=settings
        ) as fleet:
            connection = await connect(fleet.database_admin, "bench")
            await reports.apply_policy(connection, POLICY, RECHECKS)
            yield fleet, connection
            await connection.close()


async def fill(
    fleet: Fleet, connection: asyncpg.Connection, customers: int, shape: Shape
) -> History:
    """Write customers straight into the book; the relay will not publish these lines.

    All workers are stopped before, and stay stopped. The workers of `SEEDING` are started by
    `bring_up_to_date`.
    """
    for name in list(fleet.pids):
        await fleet.stop_worker(name)
    began = time.perf_counter()
    world = world_at(await baselines.now(connection), await reports.policies(connection))
    buckets = partial(bucket_of, buckets=fleet.settings.buckets)
    history = History(customers, shape, world, fleet.settings.zone, buckets)
    counter = Counter("months written")
    await history.write(connection, counter)
    counter.done()
    await baselines.mark_published(connection)
    await documents.number_all(connection)
    await baselines.settle_tables(connection)
    await baselines.checkpoint(connection)
    seconds = time.perf_counter() - began
    progress(f"{_so_many(customers, shape.periods)} written after {seconds:.0f} s")
    return history


def _so_many(customers: int, periods: int) -> str:
    return f"{counted(customers, 'customer')} of {counted(periods, 'period')}"


async def bring_up_to_date(fleet: Fleet, connection: asyncpg.Connection) -> None:
    """Start coordinator and generator where they do not run, and let them finish a run for `LAST`:
    it finds everything billed, and sets the business date."""
    for name in SEEDING:
        if name not in fleet.pids:
            await fleet.start_worker(name)
    await publish(fleet.kafka, [tick(f"{LAST}-01")])
    await run_done(connection, f"{LAST}-01")


async def _seed(fleet: Fleet, connection: asyncpg.Connection, customers: int, age: int) -> None:
    """Sign everyone up in their first month, then let one run bill the later ones."""
    first = months_after(LAST, 1 - age)
    await publish(fleet.kafka, [tick(f"{first}-01")])
    await run_done(connection, f"{first}-01")
    await publish(fleet.kafka, signups(customers, first))
    await applied(connection, "generator", SIGNUPS, customers)
    if age > 1:
        await publish(fleet.kafka, [tick(f"{LAST}-01")])
        await run_done(connection, f"{LAST}-01")


# Processes ----------------------------------------------------------------------------------


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process and its descendants, ended ones included."""
    process = psutil.Process(pid)
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # it has ended just now: its parent counts it
            total += sum(each.cpu_times()[:4])
    return total


def peak_rss_mb(fleet: Fleet) -> float:
    """Return the largest peak of resident memory of the workers, in MB of 10^6 bytes."""
    return round(max(map(_peak_bytes, fleet.pids.values())) / 1e6, 1)


def _peak_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):  # not Linux: its present memory
        return int(psutil.Process(pid).memory_info().rss)


# Waiting ------------------------------------------------------------------------------------


async def applied(connection: asyncpg.Connection, consumer: str, topic: str, count: int) -> None:
    """Return when a consumer has applied so many records of a topic."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await positions.applied(connection, consumer, topic) < count:
            await asyncio.sleep(POLL_SECONDS)


async def run_done(connection: asyncpg.Connection, tick_id: str) -> None:
    """Return when the run of a tick is done."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await runs.is_finished(connection, tick_id):
            await asyncio.sleep(POLL_SECONDS)
