"""The fleet behind `up`: servers first, then workers, each started again when it dies.

Whoever starts a fleet owns it: when the owner ends, even by kill -9, the kernel ends its
processes, and the next start on the same folder ends what is left all the same.
"""

import asyncio
import contextlib
import json
import logging
import math
import os
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlsplit

import psutil

from shared.runtime import trouble
from shared.runtime.embedded import DataFolder, Kafka, Postgres, ServerFailed
from shared.runtime.embedded.folder import write_atomically
from shared.runtime.embedded.process import (
    end,
    end_survivors,
    last_line,
    spawn,
    survivors,
)
from shared.runtime.settings import Settings, inherited_environment
from shared.runtime.starting import Starting

WORKER_STOP_SECONDS = 10.0
READY_SECONDS = 60.0
"""A worker that moves nothing for so long at its start does not become ready."""
CALM_SECONDS = 30.0
"""A worker that lived this long did not crash at its start: it is started again at once."""
SERVER_SECONDS_MAX = 600.0
"""So long a server that died is started again and again: a full disk wants a person."""
PAUSE_SECONDS_MAX = 10.0
LOGS_SECONDS = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Servers:
    """What `prepare` is given: servers that answer, and a keeper of passwords.

    `password(role)` is random the first time and the same at every later start.
    """

    kafka: str
    database_admin: str
    password: Callable[[str], str]


@dataclass(frozen=True)
class Roles:
    """What `prepare` returns: the URL that workers use, and that of the SELECT-only role."""

    worker: str
    reader: str


Prepare = Callable[[Servers], Awaitable[Roles]]
Command = Callable[[str], Sequence[str]]


def worker_command(kind: str) -> Sequence[str]:
    """Return the command that runs a worker of this kind."""
    return (sys.executable, "-m", "services.console", "worker", kind)


def as_role(url: str, role: str, password: str) -> str:
    """Return the database URL for another role."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    login = f"{quote(role, safe='')}:{quote(password, safe='')}"
    return parts._replace(netloc=f"{login}@{address}").geturl()


@dataclass
class _Worker:
    """One process of the fleet; `name` is its kind, with a number from the second copy on."""

    name: str
    port: int
    process: asyncio.subprocess.Process | None = None
    keeper: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def kind(self) -> str:
        return _kind(self.name)


class Fleet:
    """Servers and workers on one data folder, for `up`, `demo`, `bench` and tests.

    `workers` says how many of each kind. Servers named in `settings` are used, the others
    are embedded. `prepare` runs once the servers answer and before any worker. Raises
    `DirectoryInUse`, `JarsMissing` and `ServerFailed`, each of one line.

    >>> async with Fleet(folder, {"generator": 2, "relay": 1}, prepare=prepare) as fleet:
    ...     fleet.pids["generator-2"], fleet.metrics["relay"], fleet.kafka
    """

    def __init__(
        self,
        data: Path,
        workers: Mapping[str, int],
        *,
        prepare: Prepare,
        settings: Settings | None = None,
        command: Command = worker_command,
        postgres_bin: Path | None = None,
    ) -> None:
        self.folder = DataFolder(data)
        self.settings = settings or Settings()
        self._prepare = prepare
        self._command = command
        self._kafka = (
            None if self.settings.kafka else Kafka(self.folder, log_bytes=self.settings.log_bytes)
        )
        self._postgres = (
            None
            if self.settings.database_url
            else Postgres(self.folder, bin_dir=postgres_bin, log_bytes=self.settings.log_bytes)
        )
        names = [
            kind if copy == 1 else f"{kind}-{copy}"
            for kind, copies in workers.items()
            for copy in range(1, copies + 1)
        ]
        self._names = names
        self._workers: dict[str, _Worker] = {}
        self._server_keepers: list[asyncio.Task[None]] = []
        self._log_keepers: list[asyncio.Task[None]] = []
        self._roles = Roles("", "")
        self._ready = False
        self.waiting: dict[str, str] = {}

    @property
    def kafka(self) -> str:
        """The bootstrap address."""
        return self.settings.kafka or (self._kafka.bootstrap if self._kafka else "")

    @property
    def database_admin(self) -> str:
        return self.settings.database_url or (self._postgres.admin_url if self._postgres else "")

    @property
    def database(self) -> str:
        """The URL of the SELECT-only role."""
        return self._roles.reader

    @property
    def database_worker(self) -> str:
        return self._roles.worker

    @property
    def metrics(self) -> dict[str, str]:
        """Worker name -> URL of its metrics."""
        host = self.settings.metrics_host
        return {name: f"http://{host}:{w.port}/metrics" for name, w in self._workers.items()}

    @property
    def pids(self) -> dict[str, int]:
        """Worker name -> process id, of those that run."""
        return {
            name: worker.process.pid
            for name, worker in self._workers.items()
            if worker.process is not None and worker.process.returncode is None
        }

    @property
    def server_pids(self) -> dict[str, int]:
        """Process ids of the embedded servers."""
        return {server.name: server.pid for server in (self._kafka, self._postgres) if server}

    @property
    def connection_file(self) -> Path:
        return self.folder.path / "connection.json"

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start everything and return when all workers are ready, or wait for a person.

        `waiting` says for what: those commands that help need servers and a connection file.
        """
        self.folder.lock()
        await end_survivors(survivors(self._is_leftover()), signal.SIGKILL, seconds=5)
        self.connection_file.unlink(missing_ok=True)
        servers = [server for server in (self._kafka, self._postgres) if server]
        await asyncio.gather(*(server.start() for server in servers))
        self._server_keepers = [asyncio.create_task(self._keep_server(s)) for s in servers]
        self._log_keepers = (
            [asyncio.create_task(_keep_logs(self._postgres))] if self._postgres else []
        )
        self._roles = await self._prepare(
            Servers(self.kafka, self.database_admin, self.folder.password)
        )
        for name in self._names:
            self._workers[name] = _Worker(name, self.folder.port(f"metrics {name}"))
            self._begin(self._workers[name])
        self.waiting = await self.until_ready(or_waiting=True)
        self._ready = True
        self._write_connection()

    async def stop(self) -> None:
        """Stop the workers, then the servers, and leave the folder to the next fleet."""
        self._ready = False
        await asyncio.gather(*(self.stop_worker(name) for name in self._workers))
        for keeper in (*self._server_keepers, *self._log_keepers):
            await _cancel(keeper)
        servers = [server for server in (self._kafka, self._postgres) if server]
        await asyncio.gather(*(server.stop() for server in servers))
        if self.folder.locked:
            self.connection_file.unlink(missing_ok=True)
        self.folder.unlock()

    async def failed(self) -> None:
        """Never return; raise `ServerFailed` when a server died and could not be started again."""
        await asyncio.gather(*self._server_keepers)
        await asyncio.Event().wait()

    async def until_ready(
        self, *names: str, seconds: float = READY_SECONDS, or_waiting: bool = False
    ) -> dict[str, str]:
        """Return when the workers named (all, if none is) answer /readyz with 200; with
        `or_waiting` also when all that is left waits for a person: name -> what."""
        waiting: dict[str, str] = {}
        deadline = time.monotonic() + seconds
        for name in names or tuple(self._workers):
            worker = self._workers[name]
            said = "nothing"
            starting = Starting()
            while True:
                status, body = await _get(self.settings.metrics_host, worker.port, "/readyz")
                if status == 200 and name in self.pids:
                    break
                if or_waiting and (for_what := _for_a_person(body)):
                    waiting[name] = for_what
                    break
                said = body or said
                if time.monotonic() > deadline:
                    file = self._log_of(name)
                    raise ServerFailed(
                        f"worker {name} is not ready after {seconds:.0f} s: /readyz says {said}; "
                        f"{last_line(file)}see {file}"
                    )
                if starting.moves(body, self.pids.get(name)):
                    deadline = max(deadline, time.monotonic() + seconds)
                await asyncio.sleep(0.05)
        return waiting

    async def start_worker(self, name: str) -> None:
        """Start a worker that was stopped, and return when it is ready."""
        self._begin(self._workers[name])
        await self.until_ready(name)

    async def stop_worker(self, name: str) -> None:
        """Stop a worker in order; it stays down."""
        worker = self._workers[name]
        if worker.keeper is not None:
            await _cancel(worker.keeper)
            worker.keeper = None
        if worker.process is not None:
            await end(worker.process, signal.SIGTERM, WORKER_STOP_SECONDS)
            worker.process = None
        self._write_connection()

    def kill_worker(self, name: str) -> int:
        """Kill -9 a worker, as bad luck would; it is started again. Return its process id."""
        pid = self.pids[name]
        os.kill(pid, signal.SIGKILL)
        return pid

    def _begin(self, worker: _Worker) -> None:
        assert worker.keeper is None, f"worker {worker.name} runs"
        worker.keeper = asyncio.create_task(self._keep_worker(worker))

    async def _keep_worker(self, worker: _Worker) -> None:
        """Run a worker for ever: after a crash at once, after a quick one more and more slowly."""
        settings = replace(
            self.settings.with_servers(self.kafka, self._roles.worker),
            data=self.folder.path,
            metrics_port=worker.port,
            supervisor=os.getpid(),
            log_file=self._log_of(worker.name),
        )
        environment = inherited_environment(**settings.environment())
        pause = 0.0
        while True:
            begun = time.monotonic()
            try:
                worker.process = await spawn(
                    self._command(worker.kind),
                    log=self._log_of(worker.name),
                    log_bytes=settings.log_bytes,
                    environment=environment,
                )
            except OSError as error:
                ending = trouble.words(error)
            else:
                with contextlib.suppress(OSError):  # a full disk is no reason to start another one
                    self._write_connection()
                ending = f"code {await worker.process.wait()}"
            calm = time.monotonic() - begun > CALM_SECONDS
            pause = 0.0 if calm else min(2 * pause + 0.1, PAUSE_SECONDS_MAX)
            log.warning(
                "worker %s ended (%s) and is started again in %.1f s", worker.name, ending, pause
            )
            await asyncio.sleep(pause)

    async def _keep_server(self, server: Kafka | Postgres) -> None:
        """Start a server again when it dies. Its clients know the way: the address is the same."""
        address = self.kafka, self.database_admin
        while True:
            await server.ended()
            log.warning("%s ended and is started again", server.name)
            await _start_again(server)
            if (self.kafka, self.database_admin) != address:
                raise ServerFailed(f"{server.name} ended, and its port was taken meanwhile")

    def _write_connection(self) -> None:
        if self._ready:
            facts = {
                "kafka": self.kafka,
                "database": self.database,
                "database_admin": self.database_admin,
                "metrics": self.metrics,
                "pids": self.pids,
            }
            write_atomically(self.connection_file, json.dumps(facts, indent=2) + "\n")

    def _is_leftover(self) -> Callable[[psutil.Process], bool]:
        """Return how to know a worker of a fleet that was killed: its number and its command."""
        try:
            recorded = json.loads(self.connection_file.read_text("utf-8"))["pids"]
        except (FileNotFoundError, ValueError, KeyError):
            recorded = {}
        commands = {pid: list(self._command(_kind(name))) for name, pid in recorded.items()}
        return lambda process: commands.get(process.pid) == process.cmdline()

    def _log_of(self, name: str) -> Path:
        return self.folder.log / f"{name}.log"


async def run_until_interrupted(fleet: Fleet, say: Callable[[str], None]) -> None:
    """Start the fleet, `say` one line when it is ready, and stop it on SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    interrupted = asyncio.create_task(stop.wait())
    working = asyncio.create_task(fleet.start())
    try:
        await asyncio.wait((working, interrupted), return_when=asyncio.FIRST_COMPLETED)
        if not interrupted.done():
            await working
            working = asyncio.create_task(_kept_up(fleet, say))
            await asyncio.wait((working, interrupted), return_when=asyncio.FIRST_COMPLETED)
            if not interrupted.done():
                await working
    finally:
        await _cancel(working)
        await _cancel(interrupted)
        await fleet.stop()


async def _kept_up(fleet: Fleet, say: Callable[[str], None]) -> None:
    """Say when all workers are ready, and before it who waits for a person; raise `ServerFailed`
    when a server ends for good."""

    async def told() -> None:
        for name, for_what in fleet.waiting.items():
            log.error("not ready: %s waits for a person: %s", name, for_what)
        await fleet.until_ready(seconds=math.inf)
        say(f"ready: {len(fleet.pids)} workers, {fleet.connection_file}")

    await asyncio.gather(fleet.failed(), told())


def _for_a_person(body: str) -> str:
    """Return what a worker waits for, by its /readyz; empty where time or a restart may help."""
    try:
        said = json.loads(body)
        causes, person = said["causes"], set(said["person"])
    except (ValueError, KeyError, TypeError):
        return ""
    if not causes or not set(causes) <= person:
        return ""
    return "; ".join(f"{cause}: {why}" for cause, why in sorted(causes.items()))


async def _keep_logs(server: Postgres) -> None:
    """Keep the logs of a server few while it runs."""
    while True:
        await asyncio.sleep(LOGS_SECONDS)
        with contextlib.suppress(OSError):
            server.keep_logs()


async def _start_again(server: Kafka | Postgres) -> None:
    """Start a server that died, more and more slowly: what ends it once more may pass."""
    deadline, pause = time.monotonic() + SERVER_SECONDS_MAX, 0.0
    while True:
        try:
            return await server.start()
        except (ServerFailed, OSError) as error:
            if time.monotonic() > deadline:
                raise ServerFailed(
                    f"{server.name} ended and cannot be started again: {trouble.words(error)}"
                ) from error
            pause = min(2 * pause + 0.1, PAUSE_SECONDS_MAX)
            log.warning("%s is tried again in %.1f s: %s", server.name, pause, trouble.words(error))
        await asyncio.sleep(pause)


def _kind(name: str) -> str:
    return re.sub(r"-\d+$", "", name)


async def _cancel(task: asyncio.Task[object] | asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task


async def _get(host: str, port: int, path: str) -> tuple[int, str]:
    """Return status and body of a small HTTP answer; 0 when nobody answers."""
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
                answer = await reader.read()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return 0, ""
    head, _, body = answer.decode("utf-8", errors="replace").partition("\r\n\r\n")
    return int(head.split()[1]) if head else 0, body.strip()
