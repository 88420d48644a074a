"""When the last record of each outbound topic was on Kafka: the ends of the topics are polled."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from shared.kafka.asker import Asker
from shared.schemas.topics import ENTITLEMENTS, LEDGER, NOTIFICATIONS

OUT = {"ledger": LEDGER, "notices": NOTIFICATIONS, "entitlements": ENTITLEMENTS}
"""The topics that a bill run writes to, by the names of their figures."""
POLL_SECONDS = 0.05
ANSWER_SECONDS_MAX = 30.0
"""A broker that takes a whole run may answer late."""


class Leaving:
    """Polls the ends of topics inside `async with`; time counts from its start. A figure is the
    time of the poll that first saw the last record: never too early, at most one poll too late."""

    def __init__(self, kafka: str, topics: Mapping[str, str]) -> None:
        self._asker = Asker(kafka, ANSWER_SECONDS_MAX)
        self._topics = topics
        self._ends: Counter[str] = Counter()
        self._last: dict[str, float] = {}
        self._began = 0.0

    async def __aenter__(self) -> Self:
        await self._asker.start()
        self._partitions = await self._asker.partitions(self._topics.values())
        await self._look()
        self._last.clear()
        self._began = time.perf_counter()
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watching.cancel()
        try:
            await asyncio.gather(self._watching, return_exceptions=True)
            if error is None:
                await self._look()
        finally:
            await self._asker.stop()

    def seconds(self) -> dict[str, float | None]:
        """Return after how long the last record of each topic was out, None where there was none,
        and as `told_seconds` the last of all."""
        after = {
            name: round(self._last[topic] - self._began, 3) if topic in self._last else None
            for name, topic in self._topics.items()
        }
        last = max((seconds for seconds in after.values() if seconds is not None), default=None)
        return {f"{name}_seconds": seconds for name, seconds in after.items()} | {
            "told_seconds": last
        }

    async def _watch(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(POLL_SECONDS)

    async def _look(self) -> None:
        ends: Counter[str] = Counter()
        for (topic, _), end in (await self._asker.ends(self._partitions)).items():
            ends[topic] += end
        now = time.perf_counter()
        self._last |= {topic: now for topic, end in ends.items() if end > self._ends[topic]}
        self._ends = ends
