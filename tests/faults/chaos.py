"""Chaos on purpose: a fleet of real processes, two of each kind, under faults that a seed chooses.

    python -m tests.faults.chaos 1          one seed
    python -m tests.faults.chaos 1..50      many, each on a fleet of its own

Prints a line a seed: the faults injected, the seconds, and what is wrong, if anything is. Exit
code 1 when anything was.
"""

import asyncio
import contextlib
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import asyncpg
from aiokafka import AIOKafkaProducer

from shared.ledger.postgres import reports
from shared.runtime.embedded import DataFolder, Postgres, ServerFailed
from shared.runtime.setting_up import prepare
from shared.runtime.settings import Settings
from shared.runtime.settle import settle
from shared.runtime.supervisor import Fleet
from shared.schemas.topics import RECHECKS
from tests.faults.load import DAYS, Load, faults_found
from tests.support.proxy import Proxy

KINDS = ("coordinator", "generator", "collector", "notifier", "relay")
CUSTOMERS = 150
SESSION_SECONDS = 10.0
SETTLE_SECONDS = 180.0
POLICY = '[[staff]]\nid = "boss"\nmay = ["cancel"]\n'


class Scene(NamedTuple):
    """All that a fault may touch; `database` is PostgreSQL itself, past the proxy."""

    fleet: Fleet
    postgres: Postgres
    proxy: Proxy
    random: random.Random

    @property
    def database(self) -> str:
        return self.postgres.admin_url

    def worker(self) -> str:
        return self.random.choice(sorted(self.fleet.pids))

    def signal(self, number: signal.Signals) -> int:
        pid = self.fleet.pids[self.worker()]
        os.kill(pid, number)
        return pid


Fault = Callable[[Scene], Awaitable[None]]


# Faults -------------------------------------------------------------------------------------


async def kill(scene: Scene) -> None:
    scene.signal(signal.SIGKILL)


async def terminate(scene: Scene) -> None:
    scene.signal(signal.SIGTERM)


async def zombie(scene: Scene) -> None:
    """Stop a worker past its session, so that others take over, and let it wake up."""
    pid = scene.fleet.pids[scene.random.choice(("collector", "generator", "notifier"))]
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(SESSION_SECONDS * 1.3)
    finally:
        os.kill(pid, signal.SIGCONT)


async def rebalance(scene: Scene) -> None:
    name = f"{scene.random.choice(KINDS)}-2"
    if name in scene.fleet.pids:
        await scene.fleet.stop_worker(name)
        await scene.fleet.start_worker(name)


async def broker(scene: Scene) -> None:
    os.kill(scene.fleet.server_pids["Kafka"], signal.SIGKILL)


async def postgres(scene: Scene) -> None:
    """Stop PostgreSQL immediately, as a machine that loses its power; its keeper starts it."""
    os.kill(scene.postgres.pid, signal.SIGQUIT)


async def sessions(scene: Scene) -> None:
    """Terminate the sessions of workers, again and again."""
    connection = await _connected(scene.database)
    try:
        for _ in range(10):
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'rollforward-%'"
            )
            await asyncio.sleep(0.2)
    finally:
        await connection.close()


async def commits(scene: Scene) -> None:
    scene.proxy.cut_commits(8)


async def locks(scene: Scene) -> None:
    """Hold some customers' locks for a while."""
    connection = await _connected(scene.database)
    try:
        await connection.execute("SELECT pg_advisory_lock(7283, b) FROM generate_series(0, 3) AS b")
        await asyncio.sleep(3)
    finally:
        await connection.close()


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        kill, terminate, zombie, rebalance, broker, postgres, sessions, commits, locks,
    )
}  # fmt: skip


# A run --------------------------------------------------------------------------------------


@asynccontextmanager
async def scene(data: Path, chosen: random.Random) -> AsyncIterator[Scene]:
    folder = DataFolder(data / "database")
    folder.lock()
    server = Postgres(folder)
    await server.start()
    keeper = asyncio.create_task(_keep(server))
    try:
        at = urlsplit(server.admin_url)
        async with Proxy(str(at.hostname), int(at.port or 0), chosen) as proxy:
            through = at._replace(netloc=at.netloc.replace(f":{at.port}", f":{proxy.port}"))
            settings = Settings(database_url=through.geturl())
            workers = dict.fromkeys(KINDS, 2)
            ready = prepare(settings)
            async with Fleet(data / "fleet", workers, prepare=ready, settings=settings) as fleet:
                yield Scene(fleet, server, proxy, chosen)
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await server.stop()
        folder.unlock()


async def _keep(server: Postgres) -> None:
    """Start PostgreSQL again when it dies, in the middle of its start too."""
    while True:
        await server.ended()
        with contextlib.suppress(ServerFailed):
            await server.start()


def choose(chosen: random.Random) -> list[tuple[str, ...]]:
    """Return the faults of each stretch: one, or two at once, or none for quiet."""
    names = sorted(FAULTS)
    return [
        tuple(chosen.sample(names, count)) for count in chosen.choices((0, 1, 2), (1, 3, 4), k=4)
    ]


async def run(seed: int, data: Path, stretches: list[tuple[str, ...]] | None = None) -> list[str]:
    """Play one seed; return what is wrong afterwards. `stretches` names other faults."""
    chosen = random.Random(seed)
    stretches = stretches or choose(chosen)
    began = time.monotonic()
    async with scene(data, chosen) as on:
        connection = await _connected(on.database)
        await reports.apply_policy(connection, POLICY, RECHECKS)
        await connection.close()
        async with AIOKafkaProducer(
            bootstrap_servers=on.fleet.kafka, enable_idempotence=True, request_timeout_ms=120_000
        ) as producer:
            load = Load(producer, chosen, CUSTOMERS)
            for number, names in enumerate(stretches):
                if number < len(DAYS):
                    published = load.stretch(number)
                else:
                    await _settle(on)
                    published = load.cancellations()
                await asyncio.gather(published, *(FAULTS[name](on) for name in names))
            await producer.flush()
        await _settle(on)
        connection = await _connected(on.database)
        try:
            wrong = await faults_found(load, connection, on.fleet.kafka)
        finally:
            await connection.close()
        met = _met(data / "fleet")
    faults = " | ".join(" + ".join(names) or "quiet" for names in stretches)
    seconds = time.monotonic() - began
    print(f"seed {seed}: {faults}: {seconds:.0f} s, {on.proxy.cut} commits cut, {dict(met)}")
    for each in wrong:
        print(f"seed {seed}: WRONG {each}")
    return wrong


async def _connected(url: str) -> asyncpg.Connection:
    """Connect, once the server is back from the fault before."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await asyncpg.connect(url)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.1)


async def _settle(on: Scene) -> None:
    """Settle, however long servers take to come back."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        try:
            return await settle(on.fleet.kafka, on.database, deadline - time.monotonic())
        except Exception:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.5)


def _met(folder: Path) -> Counter[str]:
    """Count what workers said they met, by the words of their logs."""
    words = re.compile(r": (fenced|database|kafka): |(is sent again|tried one by one)")
    found: Counter[str] = Counter()
    for log in folder.rglob("*.log"):
        for match in words.finditer(log.read_text("utf-8", errors="replace")):
            found[match[1] or match[2]] += 1
    return found


def main() -> int:
    first, _, last = sys.argv[1].partition("..")
    failed = []
    for seed in range(int(first), int(last or first) + 1):
        with tempfile.TemporaryDirectory(prefix="chaos-") as data:
            if asyncio.run(run(seed, Path(data))):
                failed.append(seed)
    print(f"failed: {failed}" if failed else "every promise held")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
