"""Where a chaos run takes place: the fleet as processes of its own, its PostgreSQL behind a proxy.

PostgreSQL lives on a disk that can be filled, where the machine allows one to be mounted, and
on a clock that can be set; its keeper starts it again whenever it dies.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import psutil

from shared.embedded import DataFolder, Postgres, ServerFailed
from shared.ledger.postgres import reports
from shared.operator.settle import settle
from shared.runtime.settings import inherited_environment
from shared.schemas.topics import RECHECKS
from tests.faults.load import POLICY
from tests.faults.published import Published
from tests.faults.without import take_from_book
from tests.support.later import MIGRATED_LATER
from tests.support.proxy import Proxy

ROOT = Path(__file__).parents[2]
READY_SECONDS, SETTLE_SECONDS = 600.0, 600.0
DISK = "1g"
BEGINNING = "2026-01-20T12:00:00+06:00"
CLOCK = """
CREATE SCHEMA chaos;
GRANT USAGE ON SCHEMA chaos TO PUBLIC;
-- The database's clock: sessions look here before they look at PostgreSQL's own.
CREATE TABLE chaos.clock (ahead interval NOT NULL);
INSERT INTO chaos.clock VALUES ('0');
CREATE FUNCTION chaos.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE SECURITY DEFINER
    AS 'SELECT pg_catalog.clock_timestamp() + ahead FROM chaos.clock';
ALTER DATABASE rollforward SET search_path = chaos, pg_catalog, public;
"""
MET_RUNS = """
-- Runs of one month that were at work at once.
CREATE TABLE chaos.met_run (period text, tick_id text, other text);
CREATE FUNCTION chaos.note_met_runs() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO chaos.met_run
    SELECT new.period, new.tick_id, busy.tick_id FROM book.run AS busy
    WHERE busy.period = new.period AND busy.tick_id <> new.tick_id
        AND busy.claimed_at IS NOT NULL AND busy.finished_at IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER met AFTER UPDATE ON book.run FOR EACH ROW EXECUTE FUNCTION chaos.note_met_runs();
"""
LEFT_LOGS = """
-- Positions at which a log was left for that of the topic which has its name now.
CREATE TABLE chaos.left_log (topic_id uuid, partition integer, next_offset bigint);
CREATE FUNCTION chaos.note_left_log() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO chaos.left_log VALUES (old.topic_id, old.partition, old.next_offset);
    RETURN NULL;
END $$;
CREATE TRIGGER left_log AFTER UPDATE ON book.position FOR EACH ROW
    WHEN (old.topic_id IS DISTINCT FROM new.topic_id) EXECUTE FUNCTION chaos.note_left_log();
"""


class Scene:
    """All that a fault may touch; `database` is PostgreSQL itself, past the proxy."""

    def __init__(
        self, folder: Path, postgres: Postgres, proxy: Proxy, chosen: random.Random, without: str
    ) -> None:
        self.folder, self.postgres, self.proxy, self.random = folder, postgres, proxy, chosen
        self.published: Published
        self.wrong: list[str] = []
        self._without = without
        self._fleet: asyncio.subprocess.Process | None = None
        self.show(BEGINNING)

    @property
    def database(self) -> str:
        return self.postgres.admin_url

    @property
    def worker_url(self) -> str:
        """The database as workers reach it: through the proxy."""
        at = urlsplit(self.database)
        return at._replace(netloc=at.netloc.replace(f":{at.port}", f":{self.proxy.port}")).geturl()

    @property
    def environment(self) -> dict[str, str]:
        changes = {"ROLLFORWARD_DATABASE_URL": self.worker_url, "CHAOS_WITHOUT": self._without}
        environment = inherited_environment(**changes)
        for name in ("ROLLFORWARD_KAFKA", "ROLLFORWARD_DATA"):
            environment.pop(name, None)
        return environment

    def show(self, instant: str) -> None:
        """Set the wall clock of coordinators."""
        fresh = self.folder / ".clock"
        fresh.write_text(instant, "utf-8")
        fresh.replace(self.folder / "clock")

    # -- the fleet ----------------------------------------------------------------------------

    async def start_fleet(self) -> None:
        """Start the supervisor, again where it fails, and return when its workers are ready."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            with (self.folder / "supervisor.log").open("ab") as log:
                self._fleet = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "tests.faults.chaos_fleet", str(self.folder),
                    stdout=subprocess.PIPE, stderr=log, env=self.environment, cwd=ROOT,
                )  # fmt: skip
            assert self._fleet.stdout is not None
            if (await self._fleet.stdout.readline()).startswith(b"ready"):
                return
            await self._fleet.wait()
            if time.monotonic() > deadline:
                raise ServerFailed(f"the fleet does not start: see {self.folder}")

    async def stop_fleet(self, number: signal.Signals) -> None:
        assert self._fleet is not None
        with contextlib.suppress(ProcessLookupError):
            self._fleet.send_signal(number)
        await self._fleet.wait()

    async def connection_file(self) -> dict[str, Any]:
        """Return what the fleet says of itself; wait while there is none."""
        file = self.folder / "fleet" / "connection.json"
        async with asyncio.timeout(READY_SECONDS):
            while True:
                with contextlib.suppress(FileNotFoundError):
                    said: dict[str, Any] = json.loads(file.read_text("utf-8"))
                    return said
                await asyncio.sleep(0.05)

    async def pids(self) -> dict[str, int]:
        found: dict[str, int] = (await self.connection_file())["pids"]
        return found

    async def kafka(self) -> str:
        return str((await self.connection_file())["kafka"])

    def broker_pid(self) -> int | None:
        """The embedded broker of this fleet, a child of its supervisor."""
        assert self._fleet is not None
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self._fleet.pid).children():
                with contextlib.suppress(psutil.Error):
                    if "kafka.Kafka" in child.cmdline():
                        return int(child.pid)
        return None

    async def settle(self) -> None:
        """Settle, however long servers take to come back."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            try:
                kafka = await self.kafka()
                return await settle(kafka, self.database, deadline - time.monotonic())
            except Exception:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.5)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection to PostgreSQL itself, once it is back from the fault before."""
        async with asyncio.timeout(READY_SECONDS):
            while True:
                try:
                    connection = await asyncpg.connect(self.database)
                    await connection.execute("SET statement_timeout = 0; SET lock_timeout = 0")
                    break
                except (OSError, asyncpg.PostgresError):
                    await asyncio.sleep(0.1)
        try:
            yield connection
        finally:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=5)

    def said(self) -> Counter[str]:
        """Count what workers said they met, by the words of their logs."""
        found: Counter[str] = Counter()
        for log in self.folder.rglob("*.log"):
            for line in log.read_text("utf-8", errors="replace").splitlines():
                for what, words in SAID.items():
                    if any(word in line for word in words):
                        found[what] += 1
        return found


SAID = {
    "deaths": (" ended (code ",),
    "fenced": (": fenced: ",),
    "retries": (": database: ", ": kafka: ", "tried one by one", " is sent again"),
}


@asynccontextmanager
async def scene(data: Path, chosen: random.Random, without: str = "") -> AsyncIterator[Scene]:
    """Set the scene, with everything ready; clear it away in the end."""
    folder = DataFolder(data / "database")
    folder.lock()
    with _disk(folder.path / "postgres"):
        server = Postgres(folder)
        await server.start()
        keeper = asyncio.create_task(_keep(server))
        try:
            at = urlsplit(server.admin_url)
            async with Proxy(str(at.hostname), int(at.port or 0), chosen) as proxy:
                on = Scene(data, server, proxy, chosen, without)
                async with on.connected() as connection:
                    await connection.execute(CLOCK)
                await on.start_fleet()
                try:
                    async with on.connected() as connection:
                        await connection.execute(MIGRATED_LATER)
                        await connection.execute(MET_RUNS + LEFT_LOGS)
                        await take_from_book(without, connection)
                        await reports.apply_policy(connection, POLICY, RECHECKS)
                    yield on
                finally:
                    await on.stop_fleet(signal.SIGTERM)
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            await server.stop()
            folder.unlock()


TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name LIKE 'rollforward-%' AND pid <> pg_backend_pid()
"""


async def _keep(server: Postgres) -> None:
    """Start PostgreSQL again when it dies, in the middle of its start or for want of room too."""
    while True:
        await server.ended()
        with contextlib.suppress(ServerFailed, OSError):
            await server.start()
        await asyncio.sleep(0.1)


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Put a small disk under a path, where this machine lets us; else leave it as it is."""
    path.mkdir(parents=True)
    mounted = os.geteuid() == 0 and not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0700", "tmpfs", str(path)],
        capture_output=True, check=False,
    ).returncode  # fmt: skip
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(path)], check=False)
