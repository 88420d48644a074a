"""Settling: wait until all that was published so far is applied, its runs are done and its events
out.

Five steps. Each notes what is there when the step before it is done, and waits for that alone, so
that settling ends on a busy fleet too.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

import asyncpg

from shared.kafka.asker import Asker
from shared.ledger.postgres import fleet, settling
from shared.ledger.postgres.outgoing import LINE
from shared.ledger.postgres.settling import Look
from shared.ledger.sentences import counted
from shared.operator.servers import asking, database
from shared.operator.whereabouts import standing, whereabouts
from shared.runtime import restored
from shared.runtime.positions import CONSUMER_OF
from shared.runtime.settings import SettingsError
from shared.schemas.topics import INBOUND, LEDGER, RECHECKS, TOPICS

POLL_SECONDS = 0.02
COMES_IN = tuple(topic.name for topic in INBOUND)
IS_TOLD = (LEDGER, RECHECKS)

Ends = Mapping[tuple[str, int], int]
"""The offset after the last record of each (topic, partition)."""


class NotSettled(Exception):
    """The time is up, or a person has to act first; `missing` names what is not done yet."""

    def __init__(self, missing: list[str], timeout: float | None = None) -> None:
        after = "" if timeout is None else f" after {timeout:g} s"
        super().__init__(f"not settled{after}: {'; '.join(missing)}")
        self.missing = missing


class StandsStill(NotSettled):
    """The fleet does nothing until a person decides, so waiting is useless."""

    def __init__(self, reason: str) -> None:
        Exception.__init__(self, f"not settled: {reason}")
        self.missing = [reason]


async def settle(
    kafka: str, database_url: str, timeout: float = 60.0, partitions: int | None = None
) -> None:
    """Return when the fleet has settled; raise NotSettled after `timeout` seconds.

    Given `partitions`, a topic that has got so many already, and the book does not know it yet, is
    not waited for: its consumer stands still until the book does.
    Raises StandsStill at once where the fleet waits for a person, Unreachable when a server cannot
    be reached, SettingsError when `migrate` has not been run.
    """
    async with database(database_url) as connection:
        if await fleet.set_up(connection) is None:
            raise SettingsError("this database holds no fleet yet: run `rollforward migrate`")
        async with asking(kafka) as asker:
            found = await restored.look(connection, kafka)
            if found.stands_still:
                raise StandsStill(restored.described(found))

            left_out = set()
            if partitions not in (None, await fleet.partitions(connection)):
                left_out = await _with(partitions, asker)

            async def ends(topics: Iterable[str]) -> Ends:
                """Return the ends of all partitions on the broker, which may be more than the
                book's."""
                return await asker.ends(await asker.partitions(set(topics) - left_out))

            async def still() -> list[str]:
                found = await whereabouts(connection, asker)
                return standing(each for each in found if each.topic not in left_out)

            await Settling(connection, ends, still).run(timeout)


async def _with(partitions: int | None, asker: Asker) -> set[str]:
    """Return the consumed topics of the fleet's count that have so many partitions."""
    ours = [topic.name for topic in TOPICS if topic.name in CONSUMER_OF and not topic.partitions]
    found = (await asker.cluster(ours)).topics
    return {topic for topic, now in found.items() if len(now.partitions) == partitions}


class Settling:
    """The five steps. `ends` returns the end offsets of topics, `still` what stands still."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        ends: Callable[[Iterable[str]], Awaitable[Ends]],
        still: Callable[[], Awaitable[list[str]]],
    ) -> None:
        self._connection = connection
        self._ends = ends
        self._still = still
        self._missing: Callable[[Look], list[str]] = lambda _: ["Kafka names no ends of the topics"]

    async def run(self, timeout: float) -> None:
        """Take the steps in turn; raise StandsStill where a person has to decide."""
        try:
            async with asyncio.timeout(timeout):
                if still := await self._still():
                    raise NotSettled(still)
                look = await self._until(_behind(await self._ends(COMES_IN)))
                look = await self._until(_running(look.runs))
                look = await self._until(_unpublished(look.last))
                look = await self._until(_behind(await self._ends(IS_TOLD)))
                await self._until(_unpublished(look.last))
        except TimeoutError:
            missing = await self._still() or self._missing(await self._look())
            raise NotSettled(missing or ["the last step was done too late"], timeout) from None

    async def _until(self, missing: Callable[[Look], list[str]]) -> Look:
        """Look until nothing is missing; return the last look, from which the next step begins."""
        self._missing = missing
        while missing(look := await self._look()):
            await asyncio.sleep(POLL_SECONDS)
        return look

    async def _look(self) -> Look:
        return await settling.look(self._connection)


def _behind(ends: Ends) -> Callable[[Look], list[str]]:
    """Return a function that names the topics that are not read to these ends."""

    def missing(look: Look) -> list[str]:
        left: dict[str, int] = {}
        for (topic, partition), end in ends.items():
            at = look.positions.get((CONSUMER_OF[topic], topic, partition), 0)
            if at < end:
                left[topic] = left.get(topic, 0) + end - at
        return [
            f"the {CONSUMER_OF[topic]} has {counted(count, 'record')} of {topic} before it"
            for topic, count in left.items()
        ]

    return missing


def _running(runs: frozenset[str]) -> Callable[[Look], list[str]]:
    """Return a function that names those of these runs that are not done."""
    return lambda look: [f"the run of tick {tick} is not done" for tick in sorted(runs & look.runs)]


def _unpublished(last: Mapping[tuple[str, int], int]) -> Callable[[Look], list[str]]:
    """Return a function that names the streams not published up to the last row of each bucket,
    and says whether lines lack their documents."""

    def missing(look: Look) -> list[str]:
        left = {each[0] for each, end in last.items() if look.relayed.get(each, 0) < end}
        said = [f"the relay has not published all of the stream {each}" for each in sorted(left)]
        lines = {bucket: end for (stream, bucket), end in last.items() if stream == LINE}
        if any(look.numbered.get(bucket, 0) < end for bucket, end in lines.items()):
            said.append("the relay has not numbered the documents of all lines")
        return said

    return missing
