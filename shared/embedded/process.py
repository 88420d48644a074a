"""Child processes: they end with this process, stop cleanly, and are found again after a crash."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import psutil

from shared.runtime.orphan import die_with_parent
from shared.runtime.rotation import open_log, rotate
from shared.runtime.settings import Settings

START_SECONDS_MAX = 300.0
"""After a crash a server first replays its log, which takes minutes on a slow disk."""
STOP_SECONDS_MAX = 30.0
"""After this a server that was asked to stop is killed."""
PAUSE_SECONDS_MAX = 10.0
"""The longest pause before a server or worker that keeps failing is started again."""

LOG_BYTES = Settings().log_bytes
PRIVATE = 0o077
"""The umask of child processes: a fleet's folder holds names and telephone numbers."""


class ServerFailed(Exception):
    """An embedded server did not start or does not answer; the message names its log."""


class Server:
    """A server in a child process: `name` is for messages; the signal `stops_by` stops it
    cleanly."""

    name: ClassVar[str]
    stops_by: ClassVar[signal.Signals]

    def __init__(self, log_bytes: int) -> None:
        self._log_bytes = log_bytes
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    async def stop(self) -> None:
        """Stop the server cleanly."""
        if self._process is not None:
            await end(self._process, self.stops_by, STOP_SECONDS_MAX)
            self._process = None

    async def ended(self) -> None:
        """Return when the server has ended, for whatever reason."""
        if self._process is not None:
            await self._process.wait()

    async def _serve(
        self,
        argv: Sequence[str],
        answers: Callable[[], Awaitable[bool]],
        *,
        output: Path,
        log: Callable[[], Path],
        environment: Mapping[str, str],
        user: tuple[int, int] | None = None,
    ) -> None:
        """Start the process and return when it `answers`; `log` is what a failure quotes."""
        self._process = await spawn(
            argv,
            log=output,
            log_bytes=self._log_bytes,
            environment=environment,
            user=user,
            orphaned=self.stops_by,
        )
        await until_ready(self._process, answers, name=self.name, log=log)


async def spawn(
    argv: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    log_bytes: int,
    user: tuple[int, int] | None = None,
    orphaned: signal.Signals = signal.SIGKILL,
) -> asyncio.subprocess.Process:
    """Start a process whose output is appended to `log`, in a session of its own.

    A log that has reached `log_bytes` is rotated first. Only our account may read the log and the
    files that the process creates. The process runs as `user`, a (uid, gid), and gets the signal
    `orphaned` when this process ends. In a session of its own it gets no Ctrl-C from the terminal:
    this process does, and stops its children in order.
    """
    uid, gid = user or (None, None)
    rotate(log, log_bytes)
    with os.fdopen(open_log(log), "ab") as output:
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environment),
            user=uid,
            group=gid,
            extra_groups=None if user is None else [],
            umask=PRIVATE,
            start_new_session=True,
            preexec_fn=lambda: die_with_parent(orphaned),
        )


async def end(process: asyncio.subprocess.Process, number: signal.Signals, seconds: float) -> None:
    """Ask the process to stop with signal `number`; kill it when it has not after `seconds`."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)
    try:
        await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def cancel(task: asyncio.Task[Any]) -> None:
    """Cancel a task that watches a process, and return when the task has ended, even by an
    error."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task


def longer(pause: float) -> float:
    """Return the pause (seconds) before the next start of what has failed again after `pause`."""
    return min(2 * pause + 0.1, PAUSE_SECONDS_MAX)


def survivors(ours: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Return the running processes that `ours` recognises by their command line or folder.

    A process id alone is not enough: by now it may belong to an unrelated process.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and ours(process):
                found.append(process)
    return found


async def end_survivors(
    processes: Iterable[psutil.Process], number: signal.Signals, seconds: float
) -> None:
    """Stop processes that are not our children: ask, wait up to `seconds`, kill the rest."""
    left = list(processes)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while any(_runs(process) for process in left):
                await asyncio.sleep(0.05)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    while any(_runs(process) for process in left):
        await asyncio.sleep(0.05)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def until_ready(
    process: asyncio.subprocess.Process,
    answers: Callable[[], Awaitable[bool]],
    *,
    name: str,
    log: Callable[[], Path],
) -> None:
    """Return when the server `answers`.

    Raises `ServerFailed` when it ended instead, or has not answered for `START_SECONDS_MAX`.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS_MAX):
            while process.returncode is None:
                if await answers():
                    return
                await asyncio.sleep(0.1)
    what = (
        f"has not answered in {START_SECONDS_MAX:.0f} s"
        if process.returncode is None
        else f"ended at once with code {process.returncode}"
    )
    raise ServerFailed(f"{name} {what}; {last_line(log())}see {log()}")


def last_line(log: Path) -> str:
    """Return the line of a log to quote in a message: the last one marked FATAL or PANIC, or
    else the last of all."""
    lines = log.read_text("utf-8", errors="replace").splitlines()[-50:] if log.exists() else []
    fatal = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
    return f"it says {(fatal or lines)[-1].strip()!r}; " if lines else ""
