"""The fleet behind `up`: servers first, then workers, each started again when it dies.

The process that starts a fleet owns it: when that process ends, even by kill -9, the kernel ends
the fleet's processes, and the next start on the same folder ends any that are left.
"""

import asyncio
import json
import logging
import math
import os
import re
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from shared.embedded import starting
from shared.embedded.folder import DataFolder, write_atomically
from shared.embedded.kafka import Kafka
from shared.embedded.postgres import Postgres
from shared.embedded.process import ServerFailed, cancel, end_survivors, last_line, survivors
from shared.embedded.servers import keep_logs, keep_running
from shared.embedded.workers import Worker
from shared.ledger.sentences import counted
from shared.runtime.settings import Settings

READY_SECONDS = 60.0
"""The start fails when a worker makes no progress for this long."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Servers:
    """The arguments of `prepare`: the addresses of servers that answer, and stored passwords.

    `password(role)` is random at the first start and the same at every later one.
    """

    kafka: str
    database_admin: str
    password: Callable[[str], str]


@dataclass(frozen=True)
class Roles:
    """The result of `prepare`: the URL that workers use, and that of the SELECT-only role."""

    worker: str
    reader: str


Prepare = Callable[[Servers], Awaitable[Roles]]
Command = Callable[[str], Sequence[str]]
"""Returns the command that runs a worker of a kind."""


class Fleet:
    """Servers and workers on one data folder, for `up`, `demo`, `bench` and tests.

    `workers` is the number of each kind, `command` returns how to run one. Servers named in
    `settings` are used, others are embedded. `prepare` runs when the servers answer, before any
    worker starts. Raises `DirectoryInUse`, `JarsMissing` and `ServerFailed`, each of one line.

    >>> counts = {"generator": 2, "relay": 1}
    >>> async with Fleet(folder, counts, prepare=prepare, command=worker_command) as fleet:
    ...     fleet.pids["generator-2"], fleet.metrics["relay"], fleet.kafka
    """

    def __init__(
        self,
        data: Path,
        workers: Mapping[str, int],
        *,
        prepare: Prepare,
        command: Command,
        settings: Settings | None = None,
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
        self._names = [
            kind if copy == 1 else f"{kind}-{copy}"
            for kind, copies in workers.items()
            for copy in range(1, copies + 1)
        ]
        self._workers: dict[str, Worker] = {}
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
        found = {name: worker.pid for name, worker in self._workers.items()}
        return {name: pid for name, pid in found.items() if pid is not None}

    @property
    def server_pids(self) -> dict[str, int]:
        """Process ids of the embedded servers."""
        return {server.name: server.pid for server in self._servers}

    @property
    def connection_file(self) -> Path:
        return self.folder.path / "connection.json"

    @property
    def _servers(self) -> list[Kafka | Postgres]:
        return [server for server in (self._kafka, self._postgres) if server]

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
        """Start everything and return when each worker is ready or waits for a person.

        `waiting` says for what. The fleet runs all the same, because the commands that solve this
        need its servers and its connection file.
        """
        self.folder.lock()
        await end_survivors(survivors(self._is_leftover()), signal.SIGKILL, seconds=5)
        self.connection_file.unlink(missing_ok=True)
        await asyncio.gather(*(server.start() for server in self._servers))
        self._server_keepers = [asyncio.create_task(keep_running(s)) for s in self._servers]
        if self._postgres:
            self._log_keepers = [asyncio.create_task(keep_logs(self._postgres))]
        self._roles = await self._prepare(
            Servers(self.kafka, self.database_admin, self.folder.password)
        )
        for name in self._names:
            self._workers[name] = self._worker(name)
            self._workers[name].begin()
        self.waiting = await self.until_ready(or_waiting=True)
        self._ready = True
        self._write_connection()

    async def stop(self) -> None:
        """Stop the workers, then the servers, and unlock the folder."""
        self._ready = False
        await asyncio.gather(*(self.stop_worker(name) for name in self._workers))
        for keeper in (*self._server_keepers, *self._log_keepers):
            await cancel(keeper)
        await asyncio.gather(*(server.stop() for server in self._servers))
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
        """Return when the named workers (all, if none is named) are ready.

        With `or_waiting` those that wait for a person count too; returns worker name -> for what.
        """
        waiting = {}
        for name in names or tuple(self._workers):
            try:
                waiting[name] = await starting.until_ready(
                    self._workers[name], self.settings.metrics_host, seconds, or_waiting=or_waiting
                )
            except TimeoutError as last:
                file = self._log_of(name)
                raise ServerFailed(
                    f"worker {name} is not ready after {seconds:.0f} s: /readyz says {last}; "
                    f"{last_line(file)}see {file}"
                ) from None
        return {name: for_what for name, for_what in waiting.items() if for_what}

    async def start_worker(self, name: str) -> None:
        """Start a worker that was stopped, and return when it is ready."""
        self._workers[name].begin()
        await self.until_ready(name)

    async def stop_worker(self, name: str) -> None:
        """Stop a worker cleanly; it stays down."""
        await self._workers[name].stop()
        self._write_connection()

    def kill_worker(self, name: str) -> int:
        """Kill -9 a worker, which is started again. Return its process id."""
        return self._workers[name].kill()

    def _worker(self, name: str) -> Worker:
        settings = replace(
            self.settings.with_servers(self.kafka, self._roles.worker),
            data=self.folder.path,
            metrics_port=self.folder.port(f"metrics {name}"),
            supervisor=os.getpid(),
            log_file=self._log_of(name),
        )
        return Worker(name, lambda: self._command(_kind(name)), settings, self._write_connection)

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
        """Return a function that recognises workers of a killed fleet by pid and command."""
        try:
            recorded = json.loads(self.connection_file.read_text("utf-8"))["pids"].items()
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            recorded = ()  # none, or none of ours: it is written anew
        commands = {
            pid: list(self._command(_kind(name))) for name, pid in recorded if isinstance(pid, int)
        }
        return lambda process: commands.get(process.pid) == process.cmdline()

    def _log_of(self, name: str) -> Path:
        return self.folder.log / f"{name}.log"


def _kind(name: str) -> str:
    """Return the kind of a worker; its name has a number from the second copy on."""
    return re.sub(r"-\d+$", "", name)


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
        await cancel(working)
        await cancel(interrupted)
        await fleet.stop()


async def _kept_up(fleet: Fleet, say: Callable[[str], None]) -> None:
    """Log which workers wait for a person, and `say` when all are ready; raise `ServerFailed`
    when a server ends for good."""

    async def report() -> None:
        for name, for_what in fleet.waiting.items():
            log.error("not ready: %s waits for a person: %s", name, for_what)
        await fleet.until_ready(seconds=math.inf)
        say(f"ready: {counted(len(fleet.pids), 'worker')}, {fleet.connection_file}")

    await asyncio.gather(fleet.failed(), report())
