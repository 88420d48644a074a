"""What a chaos run leaves behind, read back from Kafka and the book; and the verdict on it."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.schemas.topics import INBOUND, TOPICS
from tests.faults.load import Load
from tests.support.examples import command_of, content_of
from tests.support.naive import Outcome

ZONE = ZoneInfo("Asia/Dhaka")
LINE = """
SELECT customer_id, seq, period, revision, kind, previous_due, charge, discount, vat, billed, paid,
    due, coverage_from, coverage_to, command_id, reverses, encode(hash, 'hex') AS hash, recorded_at
FROM report.ledger ORDER BY customer_id, seq
"""


class Came(NamedTuple):
    """An event as a topic holds it: the record, the command it means, its content."""

    record: ConsumerRecord
    command: Any
    content: Any


class Kept(NamedTuple):
    """What Kafka and the book hold in the end."""

    records: Mapping[str, list[ConsumerRecord]]
    given: Mapping[str, list[ConsumerRecord]]
    """By inbound topic, what workers were given: what they applied of logs that are gone, and the
    log as it is."""
    ends: Mapping[tuple[str, int], int]
    events: Mapping[str, list[Came]]
    """What was given, each partition in its order; poison left out."""
    lines: list[Any]
    outcomes: Mapping[str, tuple[str | None, Outcome]]
    """Customer and outcome of every command, parked ones too."""
    judged: Mapping[str, int]


class Verdict:
    """What is wrong, and how often that happened which a run is to bring about."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.met: Counter[str] = Counter()

    def expect(self, what: str, found: Any, wanted: Any) -> None:
        if found != wanted:
            self.wrong.append(f"{what}: {_difference(found, wanted)}")


async def kept_of(connection: asyncpg.Connection, kafka: str, load: Load) -> Kept:
    records, ends = await read(kafka, *(topic.name for topic in TOPICS))
    given = {t.name: [*load.published.applied[t.name], *records[t.name]] for t in INBOUND}
    rows = await connection.fetch(
        "SELECT command_id, customer_id, outcome, reason FROM report.command UNION ALL"
        " SELECT command_id, customer_id, 'parked', NULL FROM report.parked"
    )
    order = await connection.fetch("SELECT command_id FROM book.command ORDER BY position")
    return Kept(
        records,
        given,
        ends,
        {topic: list(_events(came, load)) for topic, came in given.items()},
        await connection.fetch(LINE),
        {row[0]: (row[1], Outcome(row[2], row[3])) for row in rows},
        {row["command_id"]: place for place, row in enumerate(order, 1)},
    )


async def read(
    kafka: str, *topics: str
) -> tuple[dict[str, list[ConsumerRecord]], dict[tuple[str, int], int]]:
    """Return every record of some topics, each partition in its order, and the ends."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [
            TopicPartition(topic.name, number)
            for topic in TOPICS
            if topic.name in topics
            for number in range(topic.partition_count())
        ]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        records: dict[str, list[ConsumerRecord]] = {topic: [] for topic in topics}
        while any([await consumer.position(p) < end for p, end in ends.items()]):
            for partition, batch in (await consumer.getmany(timeout_ms=500)).items():
                records[partition.topic] += batch
        return records, {(p.topic, p.partition): end for p, end in ends.items()}
    finally:
        await consumer.stop()


def _events(records: Iterable[ConsumerRecord], load: Load) -> Iterator[Came]:
    for record in records:
        if (record.topic, record.key, record.value) in load.poison:
            continue
        headers, said = dict(record.headers), json.loads(record.value)
        kind = headers["ce_type"].decode() if "ce_type" in headers else said["type"]
        data = said if "ce_type" in headers else said["data"]
        command = command_of(kind, data, ZONE)
        yield Came(record, command, content_of(command, data))


def _difference(found: Any, wanted: Any) -> str:
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = [key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key)]
        told = (f"{k} is {found.get(k)}, not {wanted.get(k)}" for k in sorted(keys, key=str)[:4])
        return f"{len(keys)} differ: " + ", ".join(told)
    if isinstance(found, set) and isinstance(wanted, set):
        return f"too many {sorted(found - wanted)[:5]}, missing {sorted(wanted - found)[:5]}"
    return f"{found}, not {wanted}"
