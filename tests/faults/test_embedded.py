"""The embedded servers and their supervisor, with the real programs and real kills."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared.embedded import DataFolder, DirectoryInUse, Kafka, Postgres, ServerFailed
from shared.embedded.fleet import Fleet, Roles, Servers
from shared.embedded.starting import Starting
from tests.support.patience import QUIET_SECONDS, until

STAND_IN = """
import os, sys
sys.path.insert(0, os.getcwd())
from http.server import BaseHTTPRequestHandler, HTTPServer
from shared.runtime.settings import Settings
from shared.runtime.orphan import end_with_supervisor

class Ready(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass

settings = Settings.from_environment()
end_with_supervisor(settings.supervisor)
HTTPServer(("127.0.0.1", settings.metrics_port), Ready).serve_forever()
"""

OWNER = """
import asyncio, sys
from pathlib import Path
from tests.faults.test_embedded import fleet_of
from shared.embedded.fleet import run_until_interrupted

fleet = fleet_of(Path(sys.argv[1]))
asyncio.run(run_until_interrupted(fleet, lambda line: print(line, flush=True)))
"""


async def _prepare(servers: Servers) -> Roles:
    connection = await asyncpg.connect(servers.database_admin)
    await connection.execute("CREATE TABLE IF NOT EXISTS kept (word text PRIMARY KEY)")
    await connection.close()
    return Roles(worker=servers.database_admin, reader=servers.database_admin)


def fleet_of(data: Path) -> Fleet:
    return Fleet(
        data,
        {"stand-in": 2},
        prepare=_prepare,
        command=lambda kind: (sys.executable, "-c", STAND_IN, "worker", kind),
    )


class Owner:
    """A fleet in a process of its own, so that it can be killed."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(data)],
            stdout=subprocess.PIPE,
            text=True,
        )

    def until_ready(self) -> dict[str, dict[str, int]]:
        assert self.process.stdout
        assert self.process.stdout.readline().startswith("ready")
        return self.connection()

    def connection(self) -> dict[str, dict[str, int]]:
        facts: dict[str, dict[str, int]] = json.loads(
            (self.data / "connection.json").read_text("utf-8")
        )
        return facts

    def stop(self, number: signal.Signals) -> int:
        """Send the signal; return the exit code."""
        self.process.send_signal(number)
        self.process.communicate(timeout=QUIET_SECONDS)
        return self.process.returncode


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "a folder with spaces"


@pytest.fixture
async def folder(data: Path) -> AsyncIterator[DataFolder]:
    folder = DataFolder(data)
    folder.lock()
    yield folder
    folder.unlock()


async def _publish(bootstrap: str, value: bytes) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        await producer.send_and_wait("kept", value)


async def _published(bootstrap: str) -> object:
    consumer = AIOKafkaConsumer("kept", bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with consumer, asyncio.timeout(QUIET_SECONDS):
        record = await consumer.getone()
        return record.value


def _dead(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def _listens(url: str) -> bool:
    address = urlsplit(url)
    try:
        socket.create_connection((str(address.hostname), int(address.port or 0)), 1).close()
    except OSError:
        return False
    return True


async def test_a_fleet_that_is_killed_loses_nothing_and_leaves_nothing_running(data: Path) -> None:
    owner = Owner(data)
    facts = await asyncio.to_thread(owner.until_ready)
    bootstrap, database = str(facts["kafka"]), str(facts["database_admin"])
    await _publish(bootstrap, b"written before")
    connection = await asyncpg.connect(database)
    await connection.execute("INSERT INTO kept VALUES ('written before')")
    await connection.close()
    children = psutil.Process(owner.process.pid).children()

    owner.process.kill()
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    owner.stop(signal.SIGKILL)
    await until(lambda: all(_dead(pid) for pid in facts["pids"].values()))

    successor = Owner(data)
    again = await asyncio.to_thread(successor.until_ready)
    assert (again["kafka"], again["database_admin"]) == (facts["kafka"], facts["database_admin"])
    assert await _published(bootstrap) == b"written before"
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("SELECT word FROM kept") == "written before"
    await connection.close()

    # Only the owner is killed: what it started ends by itself.
    children = psutil.Process(successor.process.pid).children()
    assert set(again["pids"].values()) <= {child.pid for child in children}
    successor.stop(signal.SIGKILL)
    await until(lambda: all(_dead(child.pid) for child in children))


async def test_a_second_fleet_on_the_same_folder_is_told_in_one_line(
    data: Path, folder: DataFolder
) -> None:
    with pytest.raises(DirectoryInUse, match=rf"a folder with spaces.*process {os.getpid()}\)$"):
        async with fleet_of(data):
            pass
    assert folder.locked


async def test_servers_left_running_by_another_owner_give_way(folder: DataFolder) -> None:
    left = Postgres(folder), Kafka(folder)
    await asyncio.gather(*(server.start() for server in left))
    pids = [server.pid for server in left]

    successors = Postgres(folder), Kafka(folder)
    await asyncio.gather(*(server.start() for server in successors))

    assert [server.pid for server in successors] != pids
    assert all(_dead(pid) for pid in pids)
    await asyncio.gather(*(server.stop() for server in successors))


async def test_what_dies_is_started_again_under_the_same_address(data: Path) -> None:
    async with fleet_of(data) as fleet:
        before = json.loads(fleet.connection_file.read_text("utf-8"))
        assert before["pids"] == fleet.pids
        assert set(before["metrics"]) == {"stand-in", "stand-in-2"}

        killed = fleet.kill_worker("stand-in-2")
        servers = fleet.server_pids
        for pid in servers.values():
            os.kill(pid, signal.SIGKILL)

        await until(lambda: fleet.pids.get("stand-in-2", killed) != killed)
        await fleet.until_ready()
        await until(lambda: not set(fleet.server_pids.values()) & set(servers.values()))
        await until(lambda: _listens(fleet.database_admin) and _listens(f"//{fleet.kafka}"))
        after = json.loads(fleet.connection_file.read_text("utf-8"))
        assert after["pids"] == fleet.pids
        assert after["metrics"] == before["metrics"]
        assert after["kafka"] == before["kafka"]
        assert after["database_admin"] == before["database_admin"]

        await fleet.stop_worker("stand-in")
        assert set(fleet.pids) == {"stand-in-2"}
        await fleet.start_worker("stand-in")
        assert set(fleet.pids) == {"stand-in", "stand-in-2"}
    assert not fleet.connection_file.exists()


async def test_a_server_killed_again_while_it_starts_is_started_once_more(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with fleet_of(data) as fleet:
        address = fleet.kafka, fleet.database_admin
        lost = asyncio.create_task(fleet.failed())

        async def killed_until_it_dies_starting(name: str) -> None:
            killed = 0
            while f"{name} ended at once with code -9" not in caplog.text:
                if (pid := fleet.server_pids[name]) != killed:
                    os.kill(pid, signal.SIGKILL)
                    killed = pid
                await asyncio.sleep(0.005)

        async with asyncio.timeout(QUIET_SECONDS):
            await asyncio.gather(*map(killed_until_it_dies_starting, fleet.server_pids))
        await until(lambda: _listens(fleet.database_admin) and _listens(f"//{fleet.kafka}"))
        connection = await asyncpg.connect(fleet.database_admin)
        await connection.execute("INSERT INTO kept VALUES ('written after')")
        await connection.close()
        await _publish(fleet.kafka, b"written after")

        assert (fleet.kafka, fleet.database_admin) == address
        assert not lost.done()
        lost.cancel()


async def test_a_server_that_cannot_be_started_again_is_given_up_and_its_log_named(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.embedded.servers.SERVER_SECONDS_MAX", 0.5)
    async with fleet_of(data) as fleet:
        settings = data / "postgres" / "data" / "postgresql.conf"
        settings.write_text("no such setting = 1\n", encoding="ascii")
        os.kill(fleet.server_pids["PostgreSQL"], signal.SIGKILL)

        with pytest.raises(
            ServerFailed, match=r"PostgreSQL ended and cannot be started again: .*postgres\.log$"
        ):
            await asyncio.wait_for(fleet.failed(), QUIET_SECONDS)


SLOW = STAND_IN.replace(
    "        self.send_response(200)\n        self.end_headers()\n",
    """        answers.append(0)
        left = max(0, 40 - len(answers) // 4)
        self.send_response(503 if left else 200)
        self.end_headers()
        self.wfile.write(f"{left} pages left to read".encode())
""",
).replace("settings =", "answers = []\nsettings =", 1)
STUCK = SLOW.replace("len(answers) // 4", "0")
CRASHES = "raise SystemExit('no such module')"


async def begin_as(fleet: Fleet, worker: str) -> None:
    """Let the stand-in be this program from here on."""
    await fleet.stop_worker("stand-in")
    fleet._command = lambda kind: (sys.executable, "-c", worker, "worker", kind)
    fleet._workers["stand-in"].begin()


async def test_a_worker_that_gets_on_is_waited_for_and_one_that_does_not_is_given_up(
    data: Path,
) -> None:
    async with fleet_of(data) as fleet:
        await begin_as(fleet, SLOW)
        began = time.monotonic()
        await fleet.until_ready("stand-in", seconds=5)
        assert time.monotonic() - began > 5, "or it would have been ready in time anyway"

        for worker in (STUCK, CRASHES):
            await begin_as(fleet, worker)
            with pytest.raises(ServerFailed, match=r"is not ready after 1 s: .*stand-in\.log"):
                await fleet.until_ready("stand-in", seconds=1)


def test_work_and_news_are_progress_and_the_same_again_is_none() -> None:
    starting, ours = Starting(), os.getpid()

    assert starting.moves("", ours), "it works towards its first answer"
    assert not starting.moves("", None), "it has ended"
    assert not starting.moves("", ours), "and has done no more than before"
    assert starting.moves("a", ours)
    assert starting.moves("b", ours)
    assert not starting.moves("a", ours), "it said that before"
