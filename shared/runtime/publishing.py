"""Events to Kafka from outside the fleet: in the order given, each exactly once."""

import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.runtime.servers import Unreachable
from shared.schemas.envelope import Message

IN_FLIGHT_MAX = 5000
VALUE_BYTES_MAX = 1_000_000
"""What a broker takes by default, less some headers; a larger value cannot be sent at all."""


async def publish(
    kafka: str, messages: Iterable[Message], progress: Callable[[int], None] | None = None
) -> int:
    """Send messages and return how many, once the broker has them all on every replica.

    One customer's messages keep their order; `progress` is told the count now and then.
    Raises Unreachable when the broker is away or takes no more: what was sent stays sent, and
    sending all of it again does no harm, for every event has its command id.
    """
    count = 0
    waiting: deque[object] = deque()
    async with _producer(kafka) as producer:
        for topic, key, value, headers in messages:
            waiting.append(await producer.send(topic, value=value, key=key, headers=headers))
            count += 1
            if len(waiting) >= IN_FLIGHT_MAX:
                await _acknowledged(waiting, IN_FLIGHT_MAX // 2)
                if progress is not None:
                    progress(count)
        await producer.flush()
        await _acknowledged(waiting, 0)
    return count


@asynccontextmanager
async def _producer(kafka: str) -> AsyncIterator[AIOKafkaProducer]:
    # What it says while the broker is away, we say better.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka,
        enable_idempotence=True,
        acks="all",
        linger_ms=2,
        max_batch_size=1 << 17,
        max_request_size=VALUE_BYTES_MAX + 48_000,
    )
    try:
        await producer.start()
        yield producer
    except (KafkaError, OSError) as error:
        raise Unreachable(f"Kafka at {kafka} cannot be reached: {error}") from error
    finally:
        await producer.stop()


async def _acknowledged(waiting: deque[object], left: int) -> None:
    """Wait for the oldest messages until only so many are left; an error of one is raised."""
    while len(waiting) > left:
        await waiting.popleft()  # type: ignore[misc]
