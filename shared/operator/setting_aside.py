"""Sets records aside that are not applied, before their topic is made anew: byte for byte, as dead
letters, from where `dlq replay` sends them into the new topic.
"""

from collections.abc import AsyncIterator, Mapping

import asyncpg
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared.kafka import clients, odd_records
from shared.kafka.asker import Asker
from shared.ledger.postgres import positions
from shared.ledger.postgres.positions import Partition
from shared.runtime import outbox
from shared.runtime.positions import CONSUMER_OF

SILENCE_MS_MAX = 10_000
REQUEST_BYTES_MAX = 8 << 20
WHY = "set aside: not applied when the topic was to be made anew"


async def set_aside(connection: asyncpg.Connection, asker: Asker, kafka: str, topic: str) -> int:
    """Copy each record of an inbound topic that is not applied to its dead letters, in the order
    of its partition, and return how many. Nothing is moved: pressed twice there are two of each,
    and the second is a duplicate when it is sent. Raises KafkaError when the broker is away."""
    held = await positions.everywhere(connection)
    there = await asker.partitions([topic])
    begins, ends = await asker.begins(there), await asker.ends(there)
    spans = {}
    for partition in there:
        position = held.get((CONSUMER_OF[topic], *partition))
        at = position.next_offset if position else 0
        spans[partition] = (max(at, begins[partition]), ends[partition])
    count = 0
    odd_records.read_all()
    producer = clients.producer(
        kafka,
        max_request_size=REQUEST_BYTES_MAX,
    )
    await producer.start()
    try:
        async for record in _records(kafka, spans):
            letter = outbox.message_of(outbox.dead_letter(record, WHY))
            await odd_records.send(producer, letter)
            count += 1
        await producer.flush()
    finally:
        await producer.stop()
    return count


async def _records(
    kafka: str, spans: Mapping[Partition, tuple[int, int]]
) -> AsyncIterator[ConsumerRecord]:
    """Yield the records of each partition within its span of offsets, one partition at a time."""
    consumer = clients.consumer(kafka, isolation_level="read_committed")
    await consumer.start()
    try:
        for each, (begin, end) in sorted(spans.items()):
            if begin >= end:
                continue
            partition = TopicPartition(*each)
            consumer.assign([partition])
            consumer.seek(partition, begin)
            while (at := await consumer.position(partition)) < end:
                polled = await consumer.getmany(timeout_ms=SILENCE_MS_MAX)
                for record in polled.get(partition, ()):
                    if record.offset < end:
                        yield record
                if not polled and await consumer.position(partition) == at:
                    raise KafkaError("it sends no records")
    finally:
        await consumer.stop()
