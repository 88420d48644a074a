"""The fleet that a benchmark measures, prepared with customers who have some periods already."""

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from services.workers import WORKERS, worker_command
from shared.embedded.fleet import Fleet
from shared.embedded.preparing import prepare
from shared.ledger.period import months_after
from shared.ledger.postgres import baselines, positions, reports, runs
from shared.ledger.sentences import counted
from shared.operator.printing import progress
from shared.operator.publish import publish
from shared.runtime.connecting import connect
from shared.runtime.settings import Settings
from shared.schemas.envelope import Message
from shared.schemas.publish import binary
from shared.schemas.topics import RECHECKS, SIGNUPS

ALL = dict.fromkeys(WORKERS, 1)
"""One worker of each kind, as `up` starts them."""
LAST = "2026-01"
"""The label of every customer's last period when a measurement begins."""
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
    """Run a fleet whose customers each have `age` periods, the last one labelled `LAST`."""
    settings = Settings()
    seeding = {"coordinator", "generator"}
    with tempfile.TemporaryDirectory(prefix="rollforward-bench-", ignore_cleanup_errors=True) as at:
        counts = {**dict.fromkeys(seeding, 1), **workers}
        async with Fleet(
            Path(at), counts, prepare=prepare(settings), command=worker_command, settings=settings
        ) as fleet:
            connection = await connect(fleet.database_admin, "bench")
            await reports.apply_policy(connection, POLICY, RECHECKS)
            began = time.perf_counter()
            await _seed(fleet, connection, customers, age)
            for name in seeding - workers.keys():
                await fleet.stop_worker(name)
            await baselines.settle_tables(connection)
            progress(
                f"{counted(customers, 'customer')} of {counted(age, 'period')} after "
                f"{time.perf_counter() - began:.0f} s"
            )
            yield fleet, connection
            await connection.close()


async def _seed(fleet: Fleet, connection: asyncpg.Connection, customers: int, age: int) -> None:
    """Sign everyone up in their first month, then let one run bill the later ones."""
    first = months_after(LAST, 1 - age)
    await publish(fleet.kafka, [tick(f"{first}-01")])
    await run_done(connection, f"{first}-01")
    await publish(fleet.kafka, _signups(customers, first))
    await applied(connection, "generator", SIGNUPS, customers)
    if age > 1:
        await publish(fleet.kafka, [tick(f"{LAST}-01")])
        await run_done(connection, f"{LAST}-01")


def _signups(customers: int, first: str) -> Iterator[Message]:
    for number in range(customers):
        data = {
            "customer_id": customer_id(number),
            "signed_up_at": f"{first}-01T09:00:00+06:00",
            "joined_on": f"{first}-01",
            "name": f"Customer {number}",
            "phone": f"+88017{number:08d}",
            "package": {"code": f"home-{number % 5}", "price": f"{500 + 100 * (number % 5)}.00"},
            "cycle": {"kind": "start_of_month"},
        }
        yield _event("billing.customer.signed_up.v1", f"signup-{number}", data)


def customer_id(number: int) -> str:
    return f"c-{number:07d}"


def tick(day: str) -> Message:
    """Return the tick of a day; its id is the day."""
    data = {
        "tick_id": day,
        "period": day[:7],
        "as_of": day,
        "trigger": "nightly",
        "allow_gap": True,
    }
    return _event("billing.tick.v1", day, data)


def payments(count: int, customers: int, seed: int) -> Iterator[Message]:
    """Yield payments for the last period, of customers chosen at random by a seed."""
    chance = random.Random(seed)
    for number in range(count):
        yield payment(f"{seed}-{number}", chance.randrange(customers))


def payment(payment_id: str, number: int) -> Message:
    data = {
        "payment_id": payment_id,
        "customer_id": customer_id(number),
        "amount": "100.00",
        "method": "cash",
        "channel": "field",
        "received_at": f"{date.fromisoformat(LAST + '-15')}T10:00:00+06:00",
        "actor": "bench",
    }
    return _event("billing.payment.received.v1", f"payment-{payment_id}", data)


def cancellation(number: int, label: str) -> Message:
    data = {
        "cancellation_id": f"{number}-{label}",
        "customer_id": customer_id(number),
        "cancels": f"bill/{customer_id(number)}/{label}",
        "requested_at": f"{LAST}-20T10:00:00+06:00",
        "actor": "bench",
        "reason": "bench",
    }
    return _event("billing.cancellation.requested.v1", f"cancellation-{number}", data)


def _event(kind: str, event_id: str, data: dict[str, Any]) -> Message:
    return binary(kind, data, event_id, "bench")


# Waiting ------------------------------------------------------------------------------------


async def applied(connection: asyncpg.Connection, consumer: str, topic: str, count: int) -> None:
    """Return when a consumer has applied `count` records of a topic."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await positions.applied(connection, consumer, topic) < count:
            await asyncio.sleep(POLL_SECONDS)


async def run_done(connection: asyncpg.Connection, tick_id: str) -> None:
    """Return when the run of a tick is done."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await runs.is_finished(connection, tick_id):
            await asyncio.sleep(POLL_SECONDS)


def peak_rss_mb(fleet: Fleet) -> float:
    """Return the largest peak of resident memory of the workers, in MB of 10^6 bytes."""
    return round(max(map(_peak_bytes, fleet.pids.values())) / 1e6, 1)


def _peak_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):  # not Linux: its present memory
        return int(psutil.Process(pid).memory_info().rss)
