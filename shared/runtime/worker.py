"""A worker process: its parts run side by side until SIGTERM or SIGINT."""

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn

import uvloop

from shared.ledger.postgres.shape import BookDiffers
from shared.runtime import garbage, health, log, trouble
from shared.runtime.context import Context, Part
from shared.runtime.fitness import keep_looking, unfit
from shared.runtime.settings import Settings

STOP_SECONDS, LEAVE_SECONDS = 6.0, 2.0
"""How long a part may take to finish its current work, and then to abandon it (seconds). The sum is
below the ten seconds after which a supervisor kills the worker."""

logger = logging.getLogger(__name__)


Build = Callable[[Context], list[Part]]
"""Makes the parts of a worker."""


async def work(name: str, settings: Settings, build: Build) -> int:
    """Run a worker until SIGTERM or SIGINT; return its exit code.

    A part that ends with an error ends the worker, and its supervisor starts it again. A book that
    this release cannot work on ends it too, with exit code 2.
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
        why_not = _in_one_line(error)
    if why_not is not None or stopping.is_set():
        if why_not:
            logger.error("%s does not start: %s", name, why_not)
        await runner.cleanup()
        return code
    parts = build(context)
    garbage.keep_away()
    tasks = [asyncio.create_task(part.run()) for part in parts]
    looking = asyncio.create_task(keep_looking(context, stopping))
    await _until_first(*tasks, stopping.wait(), context.differs.wait())
    looking.cancel()
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
    """Return when one of these is done, and cancel the coroutines among them."""
    tasks = [asyncio.ensure_future(each) for each in waited]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task, each in zip(tasks, waited, strict=True):
        if task is not each:
            task.cancel()


async def _stop(name: str, parts: Sequence[Part], tasks: Sequence[asyncio.Task[None]]) -> None:
    """Let parts finish their current work; cancel those that take too long."""
    for part in parts:
        part.stop()
    _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
    if late:
        logger.warning("%s: abandons its current work; it will be done again", name)
        for task in late:
            task.cancel()
        await asyncio.wait(late, timeout=LEAVE_SECONDS)


def _code_of(name: str, error: BaseException) -> int:
    """Log why a part ended and return the exit code: one line for an error that waiting does not
    cure, a traceback for a bug."""
    if isinstance(error, BookDiffers):
        return 2  # logged already
    lasting = trouble.lasting(error)
    if lasting is None:
        logger.error("%s: a part ended", name, exc_info=error)
        return 1
    logger.error("%s ends: %s", name, _in_one_line(lasting))
    return trouble.exit_code(lasting) or 1


def _in_one_line(error: BaseException) -> str:
    """Return in one line why a worker cannot run and what to do, without secrets."""
    if isinstance(error, trouble.LOGIN):
        return f"a server does not let us in: {trouble.words(error)}; look at user and password"
    if isinstance(error, trouble.RIGHTS):
        return f"the login lacks a right: {trouble.words(error)}; see deploy/README.md"
    return trouble.described(error)


def run(name: str, settings: Settings, build: Build) -> NoReturn:
    """Run a worker as this process, and end the process with it.

    Its work is committed or will be done again, so it does not wait for the threads of libraries.
    """

    async def to_the_end() -> None:
        code = await work(name, settings, build)
        logging.shutdown()
        os._exit(code)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(to_the_end())
    raise AssertionError("the process has ended")
