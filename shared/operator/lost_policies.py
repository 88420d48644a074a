"""Policy versions that a restored book has lost, or was given again: published lines name them.

A policy is no event, so Kafka cannot give it back. What it did is seen in the lines alone.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared.kafka import clients
from shared.ledger.postgres import incarnations, reports
from shared.ledger.sentences import counted
from shared.operator.restored import compared
from shared.operator.servers import Unreachable, asking
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


class Naming(NamedTuple):
    """The published lines that name one policy version: how many, and the first of them."""

    lines: int
    customer_id: str
    seq: int
    recorded_at: str


async def named_since(connection: asyncpg.Connection, kafka: str) -> dict[int, Naming]:
    """Read the lines that were published since the book's newest one, and return which policy
    versions they name. Raises Unreachable when the broker does not answer."""
    newest = await incarnations.newest_known(connection)
    named: dict[int, Naming] = {}
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
                        _note(record, named)
                read = {each for each in left if await consumer.position(each) >= left[each]}
                if not polled and not read:
                    raise KafkaError("it sends no records")
                left = {each: end for each, end in left.items() if each not in read}
        finally:
            await consumer.stop()
    return named


async def lost_policies(
    connection: asyncpg.Connection, named: Mapping[int, Naming]
) -> LostPolicies | None:
    """Return the versions that published lines name and the book lacks; None where it has all."""
    known = (await incarnations.newest_known(connection)).policy_version
    lost = [naming for version, naming in named.items() if version > known]
    if not lost:
        return None
    first = min(lost, key=lambda naming: naming.recorded_at)
    return LostPolicies(known, max(named), first.customer_id, first.seq, first.recorded_at)


async def applied_again(
    connection: asyncpg.Connection, named: Mapping[int, Naming]
) -> dict[int, datetime]:
    """Return which versions were applied after lines named them, and when: again, after a restore,
    and nobody can compare them with those that were lost."""
    again = {}
    for version, naming in sorted(named.items()):
        row = await reports.policy_row(connection, version)
        if row and row["applied_at"] > datetime.fromisoformat(naming.recorded_at):
            again[version] = row["applied_at"]
    return again


async def named_after_restore(
    connection: asyncpg.Connection, kafka: str, version: int
) -> str | None:
    """Return in words which published lines name a version, for a book that was restored and stands
    still; None where it does not, or Kafka cannot be asked."""
    try:
        if not (await compared(connection, kafka)).stands_still:
            return None
        naming = (await named_since(connection, kafka)).get(version)
    except Unreachable:
        return None
    if naming is None:
        return f"the book was restored; no line published since its backup names version {version}"
    return (
        f"the book was restored, and {counted(naming.lines, 'published line')} of the lost hours"
        f" came of a version {version}, the first one line {naming.seq} of customer"
        f" {naming.customer_id}, recorded at {naming.recorded_at}: this file must be the one that"
        " was applied then"
    )


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


def _note(record: ConsumerRecord, named: dict[int, Naming]) -> None:
    """Add the policy version that one record names; a record that is no line is skipped."""
    try:
        line = json.loads(record.value)
        version, first = line["policy_version"], (line["customer_id"], line["seq"])
        at = str(line["recorded_at"])
        zoned = datetime.fromisoformat(at).tzinfo is not None
    except (ValueError, LookupError, TypeError):
        return
    if not isinstance(version, int) or not zoned:
        return
    found = named.get(version)
    lines = found.lines + 1 if found else 1
    if found is None or at < found.recorded_at:
        named[version] = Naming(lines, *first, at)
    else:
        named[version] = found._replace(lines=lines)
