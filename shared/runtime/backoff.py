"""Pauses before a retry, which end at once when the worker stops."""

import asyncio
import contextlib
import random

RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 0.05, 5.0


class Backoff:
    """Exponential backoff with jitter; returns at once when `stopping` is set."""

    def __init__(self) -> None:
        self._seconds = RETRY_SECONDS_MIN

    def reset(self) -> None:
        self._seconds = RETRY_SECONDS_MIN

    async def __call__(self, stopping: asyncio.Event) -> None:
        seconds = self._seconds * random.uniform(0.5, 1.0)
        self._seconds = min(self._seconds * 2, RETRY_SECONDS_MAX)
        await pause(stopping, seconds)


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Wait so many seconds, or until `stopping` is set."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)
