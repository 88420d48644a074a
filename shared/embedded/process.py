"""Child processes: they end with us, are stopped in order, and are found again after a crash."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from shared.runtime.orphan import die_with_parent
from shared.runtime.rotation import open_log, rotate
from shared.runtime.settings import Settings

START_SECONDS_MAX = 300.0
"""After a crash a server first replays its log, which takes minutes on a slow disk."""


LOG_BYTES = Settings().log_bytes
PRIVATE = 0o077
"""The umask of child processes: a fleet's folder holds names and telephone numbers."""


class ServerFailed(Exception):
    """An embedded server did not start or does not answer; the message names its log."""


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

    A log that has reached `log_bytes` is moved out of the way first. Only our account may read that
    log and the files that the process makes.
    `user` is a (uid, gid) to become. `orphaned` is what the process gets when we end.
    A session of its own keeps a terminal's Ctrl-C for us, who stop our children in order.
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
    """Cancel a task that watches a process, and return when it has ended, however it ended."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task


def survivors(ours: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Return the running processes that `ours` knows by their command line or folder.

    Never by a process id alone: that may belong to an unrelated process by now.
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
