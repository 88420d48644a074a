"""Waiting in tests: for conditions, as long as something moves; never for so many seconds.

On a busy machine everything takes longer and nothing is wrong. So a wait fails only when nothing
that it watches has moved for `QUIET_SECONDS`, and says what it waited for.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

from shared.runtime import settle as settling

QUIET_SECONDS = 180.0
PATIENT = ("--timeout", "600")
"""For commands that wait for the fleet."""


async def until(
    holds: Callable[[], bool | Awaitable[bool]],
    what: str = "what the caller asks for",
    watched: Callable[[], Any] = lambda: None,
) -> None:
    """Return when a condition holds; fail when what is `watched` stands still for too long."""
    moved, before = time.monotonic(), watched()
    while True:
        held = holds()
        if await held if inspect.isawaitable(held) else held:
            return
        if (now := watched()) != before:
            moved, before = time.monotonic(), now
        waited = time.monotonic() - moved
        assert waited < QUIET_SECONDS, f"waited for {what}: nothing moved for {waited:.0f} s: {now}"
        await asyncio.sleep(0.02)


async def settle(kafka: str, database_url: str) -> None:
    """Settle, however long that takes, while less and less (or something else) is missing."""
    missing: list[str] | None = None
    while True:
        try:
            return await settling.settle(kafka, database_url, QUIET_SECONDS)
        except settling.NotSettled as still:
            if still.missing == missing:
                raise
            missing = still.missing


async def ended(process: asyncio.subprocess.Process) -> int:
    """Return the exit code of a process that was told to stop. How soon is its supervisor's word,
    not the test's."""
    return await asyncio.wait_for(process.wait(), QUIET_SECONDS)
