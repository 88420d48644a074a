"""Asks Kafka for topic ids and for the begin and end offsets of logs; reads no records.

It has a consumer of its own: on the connection of one that reads records, an answer would queue
behind a fetch that waits for new ones.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from shared.kafka import clients
from shared.kafka.clients import ANSWER_SECONDS_MAX
from shared.kafka.topic_ids import Cluster, Partition, describe

Question = Callable[[list[TopicPartition]], Awaitable[dict[TopicPartition, int]]]


class Asker:
    """Each method raises KafkaError when the broker does not answer within `seconds`."""

    def __init__(self, kafka: str, seconds: float = ANSWER_SECONDS_MAX) -> None:
        self._seconds = seconds
        self._consumer = clients.consumer(
            kafka,
            retry_backoff_ms=10,  # the first request for each topic fails for lack of metadata
        )

    async def start(self) -> None:
        """Connect; raises KafkaError or OSError when no broker answers."""
        await self._consumer.start()

    async def stop(self) -> None:
        await self._consumer.stop()

    async def cluster(
        self, topics: Collection[str], partitions: Iterable[Partition] = ()
    ) -> Cluster:
        """Return the topics as they are now; given partitions, as their leaders describe them."""
        client = self._consumer._client
        leaders = {client.cluster.leader_for_partition(TopicPartition(*p)) for p in partitions}
        return await describe(client, topics, leaders - {None, -1}, self._seconds)

    async def partitions(self, topics: Iterable[str]) -> list[Partition]:
        """Return every partition that the broker has of these topics."""
        found = (await self.cluster(list(topics))).topics
        return [(topic, number) for topic, now in found.items() for number in now.partitions]

    async def begins(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """Return the offset of the first record that each log still has."""
        return await self._ask(self._consumer.beginning_offsets, partitions)

    async def ends(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """Return the offset after the last record of each log."""
        return await self._ask(self._consumer.end_offsets, partitions)

    async def _ask(
        self, question: Question, partitions: Collection[Partition]
    ) -> dict[Partition, int]:
        if not partitions:
            return {}
        try:
            async with asyncio.timeout(self._seconds):
                # All topics at once: the client by itself would request their metadata one by one.
                topics = {topic for topic, _ in partitions}
                await asyncio.gather(*map(self._consumer._client.add_topic, topics))
                answer = await question([TopicPartition(*each) for each in partitions])
        except TimeoutError:
            raise KafkaError(f"no answer in {self._seconds:g} s") from None
        return {(at.topic, at.partition): offset for at, offset in answer.items()}
