"""Reads the dead-letter topics, and finds out whether this release could read each record now."""

from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from aiokafka import ConsumerRecord

from shared.kafka import spans
from shared.ledger.postgres import reports
from shared.operator.servers import asking, database
from shared.schemas.codec import decode
from shared.schemas.dead_letters import REPLAY_OF, DeadLetter, read_dead_letter
from shared.schemas.envelope import Message
from shared.schemas.malformed import Malformed, one_line
from shared.schemas.topics import DEAD_LETTERS, dead_letters_of


class Letter(NamedTuple):
    """A dead letter. `name` is TOPIC/OFFSET in the dead-letter topic, `headers` are the original
    ones, `now` is unreadable, readable or applied; `command_id` is known where it is readable.
    `replay_of` names the letter whose replay failed and became this one; `came_back_as` names the
    letter that a replay of this one became."""

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
        """Return the original record, to be published again. Where it is still unreadable it will
        become a dead letter again, so one more header says which letter it was."""
        headers = [each for each in self.headers if each[0] != REPLAY_OF]
        if self.now == "unreadable":
            headers.append((REPLAY_OF, self.name.encode()))
        return Message(self.origin.topic, self.key, self.value, headers)  # type: ignore[arg-type]

    def row(self) -> tuple[Any, ...]:
        origin = self.origin
        came_from = f"{origin.topic}/{origin.partition}/{origin.offset}"
        return (
            self.name,
            came_from,
            self._key(),
            self._moment(),
            origin.error,
            self.now,
            self.came_back_as,
        )

    def as_values(self) -> dict[str, Any]:
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
        moment = self._moment()
        return moment if isinstance(moment, str) else moment.isoformat(timespec="seconds")

    def _moment(self) -> datetime | str:
        try:
            return datetime.fromtimestamp(self.origin.timestamp / 1000, UTC)
        except (ValueError, OverflowError, OSError):
            # Kafka accepts any number as a timestamp, if it does not lie in the future.
            return f"{self.origin.timestamp} ms"


async def letters(kafka: str, database_url: str, zone: ZoneInfo) -> list[Letter]:
    """Return every dead letter, oldest first in each topic.

    Raises Unreachable when a server is away.
    """
    records = await _records(kafka)
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
        return None  # the header is untrusted: a replay could publish to any topic
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
    """Read the dead-letter topics up to their present ends."""
    async with asking(kafka) as asker:
        topics = [(topic.name, 0) for topic in DEAD_LETTERS]
        begins, ends = await asker.begins(topics), await asker.ends(topics)
        left = {each: (begins[each], ends[each]) for each in topics}
        return [record async for record in spans.records(kafka, left)]
