"""Events to Kafka from outside the fleet: in the order given, each exactly once."""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.runtime import header_names
from shared.runtime.servers import no_kafka
from shared.schemas.envelope import Message

IN_FLIGHT_MAX = 5000
VALUE_BYTES_MAX = 1_000_000
"""What a broker takes by default, less some headers; a larger value cannot be sent at all."""


async def publish(
    kafka: str,
    messages: Iterable[Message],
    progress: Callable[[int], None] | None = None,
    places: dict[tuple[str, int], int] | None = None,
) -> int:
    """Send messages and return how many, once the broker has them all.

    One customer's messages keep their order; `progress` is told the count now and then. In
    `places` the offset of the last one in each (topic, partition) is noted.
    Raises Unreachable when the broker is away or takes no more: what was sent stays sent, and
    sending all of it again does no harm, for every event has its command id.
    """
    count = 0
    waiting: deque[Awaitable[Any]] = deque()
    async with Publisher(kafka) as publisher:
        for message in messages:
            waiting.append(await publisher.put(message))
            count += 1
            if len(waiting) >= IN_FLIGHT_MAX:
                await _acknowledged(waiting, IN_FLIGHT_MAX // 2, places)
                if progress is not None:
                    progress(count)
        await _acknowledged(waiting, 0, places)
    return count


class Publisher:
    """A connection to the broker that sends events; `servers.no_kafka` says when that fails."""

    def __init__(self, kafka: str) -> None:
        # What it says while the broker is away, we say better.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        self._kafka = kafka
        self._producer = AIOKafkaProducer(
            bootstrap_servers=kafka,
            enable_idempotence=True,
            acks="all",
            max_batch_size=1 << 17,
            max_request_size=VALUE_BYTES_MAX + 48_000,
        )

    async def __aenter__(self) -> Self:
        try:
            await self._producer.start()
        except (KafkaError, OSError) as error:
            await self._producer.stop()
            raise self._away(error) from error
        return self

    async def __aexit__(self, _kind: object, error: object, _trace: object) -> None:
        await self._producer.stop()
        if isinstance(error, KafkaError | OSError):
            raise self._away(error) from error

    async def put(self, message: Message) -> Awaitable[object]:
        """Hand a message over; what is returned can be awaited for the broker's word."""
        return await header_names.send(self._producer, message)

    async def send(self, message: Message) -> None:
        """Send a message and return when the broker has it."""
        await (await self.put(message))

    def _away(self, error: Exception) -> Exception:
        return no_kafka(self._kafka, error)


async def _acknowledged(
    waiting: "deque[Awaitable[Any]]", left: int, places: dict[tuple[str, int], int] | None
) -> None:
    """Wait for the oldest messages until only so many are left; an error of one is raised."""
    while len(waiting) > left:
        record = await waiting.popleft()
        if places is not None:
            place = record.topic, record.partition
            places[place] = max(places.get(place, -1), record.offset)
