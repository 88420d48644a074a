"""Events to Kafka from outside the fleet: in the order given, each exactly once."""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Self

from aiokafka.errors import KafkaError

from shared.kafka import clients, odd_records
from shared.operator.servers import no_kafka
from shared.schemas.envelope import Message

IN_FLIGHT_MAX = 5000
VALUE_BYTES_MAX = 1_000_000
"""The default limit of a broker, less room for headers; a larger value cannot be sent."""


async def publish(
    kafka: str,
    messages: Iterable[Message],
    progress: Callable[[int], None] | None = None,
    places: dict[tuple[str, int], int] | None = None,
) -> int:
    """Send messages and return how many, once the broker has them all.

    One customer's messages keep their order. `progress` is called with the count from time to time;
    `places` receives the offset of the last message in each (topic, partition).
    Raises Unreachable when the broker is away or refuses more: what was sent stays sent, and all of
    it can safely be sent again, because every event has its command id.
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
    """A connection to the broker that sends events; errors become those of `servers.no_kafka`."""

    def __init__(self, kafka: str) -> None:
        # While the broker is away the client logs much; our own error says it in one line.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        self._kafka = kafka
        self._producer = clients.producer(
            kafka,
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
        """Hand a message to the client; await the result for the broker's acknowledgement."""
        return await odd_records.send(self._producer, message)

    async def send(self, message: Message) -> None:
        """Send a message and return when the broker has it."""
        await (await self.put(message))

    def _away(self, error: Exception) -> Exception:
        return no_kafka(self._kafka, error)


async def _acknowledged(
    waiting: "deque[Awaitable[Any]]", left: int, places: dict[tuple[str, int], int] | None
) -> None:
    """Wait for the oldest messages until only `left` are unacknowledged; raise the error of any."""
    while len(waiting) > left:
        record = await waiting.popleft()
        if places is not None:
            place = record.topic, record.partition
            places[place] = max(places.get(place, -1), record.offset)
