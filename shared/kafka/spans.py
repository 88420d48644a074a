"""Reads ranges of Kafka's logs once, outside of any consumer group."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared.kafka import clients
from shared.kafka.topic_ids import Partition

SILENCE_MS_MAX = 60_000
"""A broker that sends nothing for this long before the end of a span is away."""


async def records(
    kafka: str, spans: Mapping[Partition, tuple[int, int]], **options: Any
) -> AsyncIterator[ConsumerRecord]:
    """Yield the records of each span of offsets [begin, end), one partition after the other.

    `options` are the consumer's. Raises KafkaError when the broker stops sending.
    """
    left = {each: span for each, span in sorted(spans.items()) if span[0] < span[1]}
    if not left:  # a consumer that is stopped as soon as it is started raises CancelledError
        return
    consumer = clients.consumer(kafka, retry_backoff_ms=10, **options)
    await consumer.start()
    try:
        for each, (begin, end) in left.items():
            partition = TopicPartition(*each)
            consumer.assign([partition])
            consumer.seek(partition, begin)
            # The position decides, not the last record: a transaction marker may come after it.
            while (at := await consumer.position(partition)) < end:
                polled = await consumer.getmany(timeout_ms=SILENCE_MS_MAX)
                for record in polled.get(partition, ()):
                    if record.offset < end:
                        yield record
                if not polled and await consumer.position(partition) == at:
                    raise KafkaError("it sends no records")
    finally:
        await consumer.stop()
