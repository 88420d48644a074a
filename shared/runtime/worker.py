"""A worker process: its parts run side by side until it is told to stop."""

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn, Protocol

import uvloop

from shared.ledger.postgres.shape import BookDiffers
from shared.runtime import health, log, trouble
from shared.runtime.database import Database
from shared.runtime.fitness import unfit
from shared.runtime.settings import Settings, SettingsError

STOP_SECONDS, LEAVE_SECONDS = 6.0, 2.0
"""How long a part may take to end its work in hand, and then to leave it: together less than
the ten seconds after which a supervisor kills."""

logger = logging.getLogger(__name__)


class Part(Protocol):
    """Something that runs until it is told to stop, and then ends its work in hand."""

    async def run(self) -> None: ...

    def stop(self) -> None: ...


class Context:
    """What a worker is made with."""

    def __init__(self, name: str, settings: Settings) -> None:
        if settings.kafka is None or settings.database_url is None:
            raise SettingsError("ROLLFORWARD_KAFKA and ROLLFORWARD_DATABASE_URL must be set")
        self.name = name
        self.settings = settings
        self.kafka = settings.kafka
        self.health = health.Health("database", "kafka")
        self.databases: list[Database] = []
        self.difference: BookDiffers | None = None
        self.differs = asyncio.Event()

    def database(self, size: int = 2) -> Database:
        assert self.settings.database_url is not None
        database = Database(
            self.settings.database_url, self.name, size=size, differs=self._on_difference
        )
        self.databases.append(database)
        return database

    def _on_difference(self, difference: BookDiffers) -> None:
        """Let the worker end, whichever part has met it: no part can go on with this book."""
        self.difference = self.difference or difference
        self.health.bad("book", str(difference)[:500])
        self.differs.set()


Build = Callable[[Context], list[Part]]
"""Makes the parts of a worker."""


async def work(name: str, settings: Settings, build: Build) -> int:
    """Run a worker until SIGTERM or SIGINT; return its exit code.

    A part that ends by an error ends the worker: whoever started it starts it again. So does a book
    that this release does not work on, exit code 2.
    """
    log.set_up(settings.log_level, settings.log_file, settings.log_bytes)
    context = Context(name, settings)
    runner, port = await health.serve(context.health, settings.metrics_host, settings.metrics_port)
    logger.info("%s: metrics on http://%s:%d/metrics", name, settings.metrics_host, port)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    code, why_not = 0, None
    try:
        why_not = await unfit(context, stopping)
        code = 2 if why_not else 0
    except Exception as error:
        code = trouble.exit_code(error) or 1
        if code == 1:
            raise
        why_not = _sayable(error)
    if why_not is not None or stopping.is_set():
        if why_not:
            logger.error("%s does not start: %s", name, why_not)
        await runner.cleanup()
        return code
    parts = build(context)
    tasks = [asyncio.create_task(part.run()) for part in parts]
    await _until_first(*tasks, stopping.wait(), context.differs.wait())
    if context.difference is not None:
        logger.error("%s ends: %s", name, context.difference)
    await _stop(name, parts, tasks)
    await runner.cleanup()
    for database in context.databases:
        await database.close()
    errors = [task.exception() for task in tasks if task.done() and not task.cancelled()]
    codes = [_code_of(name, error) for error in errors if error is not None]
    logger.info("%s: stopped", name)
    return 2 if context.difference is not None else max(codes, default=0)


async def _until_first(*waited: Awaitable[object]) -> None:
    """Return when one of these is done; coroutines among them are given up then."""
    tasks = [asyncio.ensure_future(each) for each in waited]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task, each in zip(tasks, waited, strict=True):
        if task is not each:
            task.cancel()


async def _stop(name: str, parts: Sequence[Part], tasks: Sequence[asyncio.Task[None]]) -> None:
    """Let parts end their work in hand; who takes too long gives it up."""
    for part in parts:
        part.stop()
    _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
    if late:
        logger.warning("%s: gives up what it has in hand; it will be done again", name)
        for task in late:
            task.cancel()
        await asyncio.wait(late, timeout=LEAVE_SECONDS)


def _code_of(name: str, error: BaseException) -> int:
    """Say why a part ended and return the exit code: one line where waiting would not
    have helped, a traceback where it is our mistake."""
    if isinstance(error, BookDiffers):
        return 2  # said already, by whichever part met it first
    lasting = trouble.lasting(error)
    if lasting is None:
        logger.error("%s: a part ended", name, exc_info=error)
        return 1
    logger.error("%s ends: %s", name, _sayable(lasting))
    return trouble.exit_code(lasting) or 1


def _sayable(error: BaseException) -> str:
    """Return in one line what must be done before a worker can run; no secret is in it."""
    if isinstance(error, trouble.LOGIN):
        return f"a server does not let us in: {trouble.words(error)}; look at user and password"
    if isinstance(error, trouble.RIGHTS):
        return f"the login lacks a right: {trouble.words(error)}; see deploy/README.md"
    return trouble.told(error)


def run(name: str, settings: Settings, build: Build) -> NoReturn:
    """Run a worker as this process, and end the process with it.

    Its work is committed or will be done again, so threads of libraries are not waited for.
    """

    async def to_the_end() -> None:
        code = await work(name, settings, build)
        logging.shutdown()
        os._exit(code)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(to_the_end())
    raise AssertionError("the process has ended")
