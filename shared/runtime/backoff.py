"""Waiting before the next try, and giving the wait up at once when told to stop."""

import asyncio
import contextlib
import random

RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 0.05, 5.0


class Backoff:
    """Waits longer each time, with some chance in it, and at once when told to stop."""

    def __init__(self) -> None:
        self._seconds = RETRY_SECONDS_MIN

    def reset(self) -> None:
        self._seconds = RETRY_SECONDS_MIN

    async def __call__(self, stopping: asyncio.Event) -> None:
        seconds = self._seconds * random.uniform(0.5, 1.0)
        self._seconds = min(self._seconds * 2, RETRY_SECONDS_MAX)
        await pause(stopping, seconds)


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until told to stop."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)
