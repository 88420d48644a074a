"""Sends many messages as whole batches, which costs a fraction of sending them one by one.

A partition has one batch under way: its next one is handed over when Kafka has acknowledged that.
So no message overtakes one before it that Kafka did not take. The producer is idempotent: a batch
that the client sends again is kept once.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaProducer

from shared.kafka import odd_records
from shared.kafka.buckets import partition_of
from shared.schemas.envelope import Message

Queues = dict[tuple[str, int], deque[Message]]
"""What is to be sent, by topic and partition."""

_placed = lru_cache(maxsize=1 << 15)(partition_of)
"""The partition of a key. A customer's line, entitlement and notice leave soon after each other."""


async def send_all(producer: AIOKafkaProducer, messages: Iterable[Message]) -> None:
    """Send messages, those of a partition in their order, and return when Kafka has them all.

    Raises KafkaError where Kafka does not take one. What follows it in its partition was then not
    sent; other partitions may have theirs.
    """
    queues = await _queues(producer, messages)
    while queues:
        sent = [await _next_batch(producer, *place, queue) for place, queue in queues.items()]
        # All are awaited before an error of one is raised, so that none is left under way.
        await asyncio.wait(sent)
        for each in sent:
            each.result()
        queues = {place: queue for place, queue in queues.items() if queue}


async def _queues(producer: AIOKafkaProducer, messages: Iterable[Message]) -> Queues:
    counts: dict[str, int] = {}
    queues: Queues = {}
    for message in messages:
        topic, key, *_ = message
        count = counts.get(topic)
        if count is None:
            count = counts[topic] = len(await producer.partitions_for(topic))
        place = topic, _placed(key or b"", count)
        queue = queues.get(place)
        if queue is None:
            queue = queues[place] = deque()
        queue.append(message)
    return queues


async def _next_batch(
    producer: AIOKafkaProducer, topic: str, partition: int, queue: deque[Message]
) -> asyncio.Future[Any]:
    """Take the next batch from a queue and hand it to the producer; return what is done when Kafka
    has acknowledged it. An odd record is a batch of its own."""
    sent: asyncio.Future[Any]
    if odd_records.is_odd(queue[0]):
        sent = await odd_records.send(producer, queue.popleft())
        return sent
    batch = producer.create_batch()
    now = int(time.time() * 1000)
    while queue and not odd_records.is_odd(queue[0]):
        _, key, value, headers = queue[0]
        if batch.append(timestamp=now, key=key, value=value, headers=headers) is None:
            break  # it is full
        queue.popleft()
    batch.close()
    sent = await producer.send_batch(batch, topic, partition=partition)
    return sent
