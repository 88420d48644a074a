"""Waits until a worker is ready, however long that takes on a busy machine, while it makes
progress."""

import asyncio
import contextlib
import json
import time

import psutil

from shared.embedded.workers import Worker

STEP_SECONDS = 0.1
"""The processor time (seconds) that counts as progress since the last step."""
STARTING_SECONDS_MAX = 600.0
"""The limit for a start that makes progress but never ends."""


async def until_ready(
    worker: Worker, host: str, seconds: float, *, or_waiting: bool = False
) -> str:
    """Return "" when the worker runs and answers /readyz with 200.

    With `or_waiting` also when all its remaining causes wait for a person; returns these causes.
    Raises TimeoutError, with the last answer, after `seconds` without progress.
    """
    last = "nothing"
    starting = Starting()
    deadline = time.monotonic() + seconds
    while True:
        status, body = await get(host, worker.port, "/readyz")
        if status == 200 and worker.pid is not None:
            return ""
        if or_waiting and (for_what := _for_a_person(body)):
            return for_what
        last = body or last
        if time.monotonic() > deadline:
            raise TimeoutError(last)
        if starting.moves(body, worker.pid):
            deadline = max(deadline, time.monotonic() + seconds)
        await asyncio.sleep(0.05)


class Starting:
    """Watches one worker from its start. Before its first answer progress is processor time, after
    that a new answer of /readyz.

    A process that crashes and is started again repeats the same work and the same answers, so that
    is no progress.
    """

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._answers: set[str] = set()
        self._worked = 0.0

    def moves(self, answer: str, pid: int | None) -> bool:
        """Return whether there is progress, given the present answer of /readyz (empty: none)."""
        if time.monotonic() - self._begun > STARTING_SECONDS_MAX:
            return False
        if answer:
            new = answer not in self._answers
            self._answers.add(answer)
            return new
        worked = _worked(pid)
        if worked < self._worked + STEP_SECONDS:
            return False
        self._worked = worked
        return True


def _worked(pid: int | None) -> float:
    """Return the processor time of a process (seconds), 0 where it has ended."""
    if pid is not None:
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(pid).cpu_times()
            return float(times.user + times.system)
    return 0.0


def _for_a_person(body: str) -> str:
    """Return the causes in /readyz if all of them wait for a person, else an empty text."""
    try:
        answer = json.loads(body)
        causes, person = answer["causes"], set(answer["person"])
    except (ValueError, KeyError, TypeError):
        return ""
    if not causes or not set(causes) <= person:
        return ""
    return "; ".join(f"{cause}: {why}" for cause, why in sorted(causes.items()))


async def get(host: str, port: int, path: str) -> tuple[int, str]:
    """Return status and body of a small HTTP answer; status 0 when there is none."""
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
