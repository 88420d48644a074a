"""Policy versions that a restored book has lost: lines that were published name them.

A policy is no event, so Kafka cannot give it back. What it did is seen in the lines alone.
"""

import json
from datetime import timedelta
from typing import NamedTuple

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared.kafka import clients
from shared.ledger.postgres import incarnations
from shared.operator.servers import asking
from shared.schemas.topics import LEDGER

SILENCE_MS_MAX = 10_000
CLOCKS_DIFFER = timedelta(hours=1)
"""The broker's clock may be behind the database's by so much: lines are read from that far back."""


class LostPolicies(NamedTuple):
    """The book's newest version, the newest that lines name, and the first line to name one that
    the book has not: its customer, seq and recorded_at."""

    known: int
    named: int
    customer_id: str
    seq: int
    recorded_at: str

    def __str__(self) -> str:
        lost = f"{self.known + 1}" + (f" to {self.named}" if self.named > self.known + 1 else "")
        return (
            f"the book has lost policy version {lost}: published lines name it, the first one line "
            f"{self.seq} of customer {self.customer_id}, recorded at {self.recorded_at}. A policy "
            "is not among the events, so without it all that is applied again is priced and "
            f"permitted by version {self.known}. Nothing was changed. Apply the lost ones again, "
            "in their order (`rollforward policy apply`), then run `rollforward restored` again; "
            "the runbook, BookRestored, says what that does to bills from before a version. To go "
            "on without them, add --without-policies"
        )


async def lost_policies(connection: asyncpg.Connection, kafka: str) -> LostPolicies | None:
    """Read the lines that were published since the book's newest one, and return the policy
    versions that they name and the book lacks; None where it lacks none. Raises Unreachable when
    the broker does not answer."""
    newest = await incarnations.newest_known(connection)
    lost: LostPolicies | None = None
    async with asking(kafka) as asker:
        partitions = [TopicPartition(*each) for each in await asker.partitions([LEDGER])]
        consumer = clients.consumer(kafka, retry_backoff_ms=10)
        try:
            await consumer.start()
            left = await _begin(consumer, partitions, newest)
            while left:
                polled = await consumer.getmany(timeout_ms=SILENCE_MS_MAX)
                for records in polled.values():
                    for record in records:
                        lost = _named(record, newest.policy_version, lost)
                read = {each for each in left if await consumer.position(each) >= left[each]}
                if not polled and not read:
                    raise KafkaError("it sends no records")
                left = {each: end for each, end in left.items() if each not in read}
        finally:
            await consumer.stop()
    return lost


async def _begin(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition], newest: incarnations.Newest
) -> dict[TopicPartition, int]:
    """Seek to the first record since the book's newest line; return the ends of logs to read."""
    if not partitions:
        return {}
    consumer.assign(partitions)
    ends = await consumer.end_offsets(partitions)
    begins = await consumer.beginning_offsets(partitions)
    if newest.line_at is not None:
        since = int((newest.line_at - CLOCKS_DIFFER).timestamp() * 1000)
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, since))
        begins = {each: at.offset if at else ends[each] for each, at in found.items()}
    for partition, begin in begins.items():
        consumer.seek(partition, begin)
    return {each: end for each, end in ends.items() if begins[each] < end}


def _named(record: ConsumerRecord, known: int, lost: LostPolicies | None) -> LostPolicies | None:
    """Add the policy version of one record to what is lost; a record that is no line is skipped."""
    try:
        line = json.loads(record.value)
        version, first = line["policy_version"], (line["customer_id"], line["seq"])
        at = str(line["recorded_at"])
    except (ValueError, LookupError, TypeError):
        return lost
    if not isinstance(version, int) or version <= known:
        return lost
    if lost is None or at < lost.recorded_at:
        return LostPolicies(known, max(version, lost.named if lost else 0), *first, at)
    return lost._replace(named=max(version, lost.named))
