"""Dead letters as they lie in their topics, and what today's reader would make of each."""

import logging
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared.ledger.postgres import reports
from shared.runtime import header_names
from shared.runtime.servers import database, no_kafka
from shared.schemas.codec import decode
from shared.schemas.dead_letters import REPLAY_OF, DeadLetter, read_dead_letter
from shared.schemas.envelope import Message
from shared.schemas.malformed import Malformed, one_line
from shared.schemas.topics import DEAD_LETTERS, dead_letters_of

SILENCE_MS_MAX = 60_000
"""A broker that sends nothing for so long before the end of a topic is away."""


class Letter(NamedTuple):
    """A dead letter. `name` is TOPIC/OFFSET in the dead-letter topic; `headers` the original
    ones; `now` is unreadable, readable or applied; `command_id` is known where it is readable.
    `replay_of` is the letter whose replay came back as this one, `came_back_as` the other way."""

    name: str
    origin: DeadLetter
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    now: str
    command_id: str | None
    replay_of: str | None = None
    came_back_as: str | None = None

    def message(self) -> Message:
        """Return the record as it first came. Where it cannot be read it will come back: a header
        more then says which letter it was."""
        headers = [each for each in self.headers if each[0] != REPLAY_OF]
        if self.now == "unreadable":
            headers.append((REPLAY_OF, self.name.encode()))
        return Message(self.origin.topic, self.key, self.value, headers)  # type: ignore[arg-type]

    def row(self) -> tuple[str | None, ...]:
        origin = self.origin
        came_from = f"{origin.topic}/{origin.partition}/{origin.offset}"
        return (
            self.name,
            came_from,
            self._key(),
            self._at(),
            origin.error,
            self.now,
            self.came_back_as,
        )

    def told(self) -> dict[str, Any]:
        return {
            "letter": self.name,
            **self.origin._asdict(),
            "at": self._at(),
            "key": self._key(),
            "value": None if self.value is None else self.value.decode(errors="replace"),
            "now": self.now,
            "command_id": self.command_id,
            "replay_of": self.replay_of,
            "came_back_as": self.came_back_as,
        }

    def _key(self) -> str:
        return "-" if self.key is None else one_line(self.key.decode(errors="replace"))

    def _at(self) -> str:
        try:
            moment = datetime.fromtimestamp(self.origin.timestamp / 1000, UTC)
        except (ValueError, OverflowError, OSError):
            # Kafka takes any number before now as a record's timestamp.
            return f"{self.origin.timestamp} ms"
        return moment.isoformat(timespec="seconds")


async def letters(kafka: str, database_url: str, zone: ZoneInfo) -> list[Letter]:
    """Return every dead letter there is, oldest first in each topic.

    Raises Unreachable when a server is away.
    """
    try:
        records = await _records(kafka)
    except (KafkaError, OSError) as error:
        raise no_kafka(kafka, error) from error
    found = [letter for record in records if (letter := _letter(record, zone)) is not None]
    ids = [letter.command_id for letter in found if letter.command_id is not None]
    async with database(database_url) as connection:
        applied = await reports.known(connection, ids)
    returns = {letter.replay_of: letter.name for letter in found}
    return [
        letter._replace(
            now="applied" if letter.command_id in applied else letter.now,
            came_back_as=returns.get(letter.name),
        )
        for letter in found
    ]


def _letter(record: ConsumerRecord, zone: ZoneInfo) -> Letter | None:
    """Read one record; None when it is no dead letter of ours."""
    try:
        origin, headers = read_dead_letter(record.headers)
    except ValueError:
        return None
    if dead_letters_of(origin.topic) != record.topic:
        return None  # a replay would send it where a stranger says
    try:
        inbound = decode(origin.topic, record.key, record.value, headers, zone)
        now, command_id = "readable", inbound.command.command_id
    except (Malformed, KeyError):
        now, command_id = "unreadable", None
    name = f"{record.topic}/{record.offset}"
    replay_of = next(
        (of.decode(errors="replace") for key, of in headers if key == REPLAY_OF and of), None
    )
    return Letter(name, origin, record.key, record.value, headers, now, command_id, replay_of)


async def _records(kafka: str) -> list[ConsumerRecord]:
    """Read the dead-letter topics from their beginnings to their present ends."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    header_names.read_all()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, enable_auto_commit=False, retry_backoff_ms=10
    )
    records: list[ConsumerRecord] = []
    try:
        await consumer.start()
        partitions = [TopicPartition(topic.name, 0) for topic in DEAD_LETTERS]
        ends = await consumer.end_offsets(partitions)
        begins = await consumer.beginning_offsets(partitions)
        consumer.assign(partitions)
        for partition, begin in begins.items():
            consumer.seek(partition, begin)
        left = {partition for partition in partitions if begins[partition] < ends[partition]}
        while left:
            polled = await consumer.getmany(timeout_ms=SILENCE_MS_MAX)
            for partition, batch in polled.items():
                records += [record for record in batch if record.offset < ends[partition]]
            # Not by its last record: the mark of somebody's transaction may come after it.
            read = {each for each in left if await consumer.position(each) >= ends[each]}
            if not polled and not read:
                raise KafkaError("it sends no records")
            left -= read
    finally:
        await consumer.stop()
    return sorted(records, key=lambda record: (record.topic, record.offset))
