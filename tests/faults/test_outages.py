"""Servers that are away, or take nothing: workers wait, say so, and go on by themselves.

`--outage SECONDS` makes each outage as long as you like.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from services.workers import WORKERS, worker_command
from shared.embedded import DataFolder, Kafka, Postgres
from shared.embedded.fleet import Fleet
from shared.embedded.preparing import prepare
from shared.runtime import metrics
from shared.runtime.backoff import RETRY_SECONDS_MAX
from shared.runtime.settings import Settings
from tests.faults.test_workers_die import expect_one_bill_each, pay, rows, sign_up
from tests.services.test_bad_input_live import PAYMENT, payment, signup
from tests.support.later import MIGRATED_LATER
from tests.support.live import live
from tests.support.options import OUTAGE_SECONDS
from tests.support.patience import ended, settle, until

CUSTOMERS = 60
"""After so long a supervisor kills."""
TRIED = re.compile(r'^billing_retries_total\{cause="(\w+)",worker="\w+"\} (\S+)', re.MULTILINE)

DISK_FULL = (
    f"""
    {MIGRATED_LATER};
    CREATE FUNCTION public.full() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON book.command EXECUTE FUNCTION public.full();
    """,
    "DROP FUNCTION public.full CASCADE",
)
EVERYWHERE = """
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = {}', current_database());
END $$;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid();
"""
READ_ONLY = EVERYWHERE.format("on"), EVERYWHERE.format("off")
"""As after a failover to a standby, or where the host stops all writing before a disk is full."""


class Look(NamedTuple):
    """What a worker shows: why it is not ready, and how often it has tried again, by cause."""

    causes: set[str]
    tries: Counter[str]


@asynccontextmanager
async def beside(folder: Path) -> AsyncIterator[tuple[Fleet, Kafka, Postgres]]:
    """Run a fleet beside servers that the test stops and starts."""
    home = DataFolder(folder / "servers")
    home.lock()
    kafka, postgres = Kafka(home), Postgres(home)
    try:
        await asyncio.gather(kafka.start(), postgres.start())
        settings = Settings(kafka=kafka.bootstrap, database_url=postgres.admin_url)
        counts, ready = dict.fromkeys(WORKERS, 1), prepare(settings)
        async with Fleet(
            folder / "fleet", counts, prepare=ready, command=worker_command, settings=settings
        ) as fleet:
            yield fleet, kafka, postgres
    finally:
        await asyncio.gather(kafka.stop(), postgres.stop())
        home.unlock()


async def look(fleet: Fleet, http: aiohttp.ClientSession) -> dict[str, Look]:
    """Look at every worker that answers."""
    looks = {}
    for name, url in fleet.metrics.items():
        try:
            async with http.get(url) as answer:
                found = TRIED.findall(await answer.text())
            async with http.get(url.replace("/metrics", "/readyz")) as answer:
                causes = (await answer.json())["causes"]
                assert answer.status == (503 if causes else 200)
        except aiohttp.ClientConnectionError:
            continue
        looks[name] = Look(set(causes), Counter({cause: int(float(n)) for cause, n in found}))
    return looks


async def expect_outage_told(fleet: Fleet, cause: str, seconds: float) -> dict[str, int]:
    """Return when a server was away for so long and every worker has said so; who once has says
    so to the end. Returns how often each has tried again."""
    began = time.monotonic()
    async with aiohttp.ClientSession() as http:
        first = await look(fleet, http)
        told: set[str] = set()
        last = first

        async def all_say_so() -> bool:
            nonlocal told, last
            last = await look(fleet, http)
            saying = {name for name, each in last.items() if cause in each.causes}
            assert told <= saying
            told = saying
            return told >= set(WORKERS) and time.monotonic() - began >= seconds

        await until(all_say_so, f"every worker to say that {cause} is away", lambda: last)
    return {
        name: last[name].tries[cause] - (first[name].tries[cause] if name in first else 0)
        for name in last
    }


async def told_to_stop(fleet: Fleet, name: str) -> int:
    """Tell a worker to stop and return its exit code; its supervisor starts it again."""
    process = fleet._workers[name].process
    assert process is not None
    process.terminate()
    return await ended(process)


async def expect_stopped_and_waiting(fleet: Fleet, cause: str) -> None:
    """Who is told to stop while a server is away stops, and who is started then waits for it."""
    codes = await asyncio.gather(*(told_to_stop(fleet, name) for name in fleet.pids))
    assert set(codes) == {0}
    await expect_outage_told(fleet, cause, 0)


async def test_workers_outlive_servers_that_are_away_and_go_on_by_themselves(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    seconds = pytestconfig.getoption("outage", OUTAGE_SECONDS)
    patience = int(seconds + 120) * 1000
    async with beside(tmp_path) as (fleet, kafka, postgres):
        pids, away = fleet.pids, 0.0
        async with AIOKafkaProducer(
            bootstrap_servers=fleet.kafka, enable_idempotence=True, request_timeout_ms=patience
        ) as producer:
            await sign_up(producer, range(CUSTOMERS))
            await producer.flush()
            await settle(fleet.kafka, fleet.database_admin)
            away = 0.0
            for amount, cause, server in ((1, "database", postgres), (2, "kafka", kafka)):
                await server.stop()
                began = time.monotonic()
                for number in range(CUSTOMERS):
                    await pay(producer, number, amount)
                tries = await expect_outage_told(fleet, cause, seconds)
                lasted = time.monotonic() - began
                assert fleet.pids == pids
                if server is kafka:
                    await expect_stopped_and_waiting(fleet, cause)
                    pids = fleet.pids
                await server.start()
                back = time.monotonic()
                away += back - began
                await producer.flush()
                await fleet.until_ready()
                await settle(fleet.kafka, fleet.database_admin)
                away += time.monotonic() - began
                print(f"{cause} away for {lasted:.0f} s, tries {tries}, "
                      f"all applied {time.monotonic() - back:.1f} s after its return")  # fmt: skip

                # After some quick tries each waits for half the longest pause at least.
                most = 8 + lasted / (RETRY_SECONDS_MAX / 2)
                assert all(1 <= count <= most for count in tries.values()), (tries, most)

        assert fleet.pids == pids
        await expect_one_bill_each(fleet, CUSTOMERS, "2026-01")
        (lines,) = await rows(
            fleet, "SELECT count(*), count(DISTINCT command_id) FROM report.ledger"
            " WHERE kind = 'payment'"
        )  # fmt: skip
        assert tuple(lines) == (2 * CUSTOMERS, 2 * CUSTOMERS)
        (paid,) = await rows(fleet, "SELECT sum(paid)::int FROM report.statement")
        assert paid[0] == 3 * CUSTOMERS
        logs = [log.read_text("utf-8") for log in fleet.folder.log.glob("*.log")]
        said = sum(len(log.splitlines()) for log in logs)
        assert said < 200 + 10 * away, "or a night without a broker fills the disk"


@pytest.mark.parametrize(("broken", "mended"), [DISK_FULL, READ_ONLY], ids=["full", "read-only"])
async def test_a_database_that_is_there_and_takes_nothing_is_said_to_be_away_all_the_time(
    kafka: Kafka, database: str, broken: str, mended: str
) -> None:
    tries = metrics.RETRIES.labels("collector", "database")._value
    async with live(kafka.bootstrap, database) as fleet:
        await fleet.publish("billing.customer.signed_up.v1", signup())
        await fleet.settle()
        connection = await asyncpg.connect(database)
        await connection.execute(broken)
        await fleet.publish(PAYMENT, payment())
        causes = fleet.health["collector"].causes
        while "database" not in causes:
            await asyncio.sleep(0.01)
        enough = tries.get() + 5
        while tries.get() < enough:
            assert "database" in causes
            await asyncio.sleep(0)

        await connection.execute(mended)
        await connection.close()
        await fleet.settle()
        while causes:
            await asyncio.sleep(0.01)
        assert len(await fleet.rows("SELECT FROM report.ledger WHERE kind = 'payment'")) == 1
