"""Saves records that are not applied yet before their topic is recreated: they are copied, byte for
byte, to the dead letters, and `dlq replay` sends them to the new topic.
"""

import asyncpg

from shared.kafka import clients, odd_records, spans
from shared.kafka.asker import Asker
from shared.ledger.postgres import positions
from shared.runtime import outbox
from shared.runtime.positions import CONSUMER_OF

REQUEST_BYTES_MAX = 8 << 20
WHY = "set aside: not applied when the topic was to be made anew"


async def set_aside(connection: asyncpg.Connection, asker: Asker, kafka: str, topic: str) -> int:
    """Copy the records of an inbound topic that are not applied to its dead letters, each partition
    in order, and return their number. Positions stay as they are: run twice, it makes two copies,
    and the second is a duplicate when it is replayed. Raises KafkaError when the broker is away."""
    held = await positions.everywhere(connection)
    there = await asker.partitions([topic])
    begins, ends = await asker.begins(there), await asker.ends(there)
    left = {}
    for partition in there:
        position = held.get((CONSUMER_OF[topic], *partition))
        at = position.next_offset if position else 0
        left[partition] = (max(at, begins[partition]), ends[partition])
    count = 0
    producer = clients.producer(kafka, max_request_size=REQUEST_BYTES_MAX)
    await producer.start()
    try:
        async for record in spans.records(kafka, left, isolation_level="read_committed"):
            letter = outbox.message(outbox.dead_letter(record, WHY))
            await odd_records.send(producer, letter)
            count += 1
        await producer.flush()
    finally:
        await producer.stop()
    return count
