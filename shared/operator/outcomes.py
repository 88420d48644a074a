"""What became of events that were just sent: waits until the fleet has judged them.

An event is judged when its consumer has passed its offset. Its outcome is that of its command, if
the command came with this event's content.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

import asyncpg

from shared.ledger.postgres import positions
from shared.ledger.postgres.conflicts import digest
from shared.ledger.postgres.settling import Judged, outcomes_of
from shared.operator.servers import database
from shared.runtime.positions import CONSUMER_OF
from shared.schemas.codec import decode
from shared.schemas.envelope import Message
from shared.schemas.malformed import Malformed

POLL_SECONDS = 0.05
COMMANDS_AT_ONCE = 5000

Places = Mapping[tuple[str, int], int]
"""The offset of the last record sent to each (topic, partition)."""


class Asked(NamedTuple):
    """An event that was sent: its command, and digests of the event with and without its `ce_id`
    and `ce_source`. Where it cannot be read, `malformed` says why and the rest is empty."""

    command_id: str | None
    customer_id: str | None
    event: bytes
    content: bytes
    malformed: str | None = None


class Outcome(NamedTuple):
    """The outcome of an event: accepted, refused, parked, duplicate, conflicting_duplicate,
    malformed or, where the time ran out, pending. `first_outcome` is that of the first event with
    the command id, for a duplicate or conflicting duplicate."""

    command_id: str | None
    customer_id: str | None
    outcome: str
    reason: str | None = None
    first_outcome: str | None = None

    @property
    def is_done(self) -> bool:
        """False where the command has no effect and will have none."""
        refused = "refused" in (self.outcome, self.outcome == "duplicate" and self.first_outcome)
        return not refused and self.outcome not in ("conflicting_duplicate", "malformed")


def asked(message: Message, zone: ZoneInfo) -> Asked:
    """Decode a message as the fleet will."""
    try:
        event = decode(*message, zone)
    except Malformed as malformed:
        return Asked(None, None, b"", b"", str(malformed))
    return Asked(
        event.command.command_id,
        getattr(event.command, "customer_id", None),
        digest(event.type, event.content, event.ce_id, event.ce_source),
        digest(event.type, event.content, None, None),
    )


async def outcomes(
    database_url: str, events: Sequence[Asked], places: Places, quiet_seconds: float
) -> list[Outcome]:
    """Return the outcome of each event once the fleet has judged them all.

    Waits while the fleet makes progress: once it has read none of them for `quiet_seconds`, those
    not judged yet are `pending`. Raises Unreachable when the database is away.
    """
    async with database(database_url) as connection:
        moved, before = time.monotonic(), -1
        while True:
            left = await _left(connection, places)
            if left == 0:
                found = await _outcomes(connection, events)
                if all(each.outcome != "pending" for each in found):
                    return found
            if left != before:
                moved, before = time.monotonic(), left
            if time.monotonic() - moved > quiet_seconds:
                return await _outcomes(connection, events)
            await asyncio.sleep(POLL_SECONDS)


async def _left(connection: asyncpg.Connection, places: Places) -> int:
    """Return how many records the consumers have yet to read, up to the last that was sent."""
    left = 0
    for consumer in {CONSUMER_OF[topic] for topic, _ in places}:
        asked = [place for place in places if CONSUMER_OF[place[0]] == consumer]
        held = await positions.known(connection, consumer, asked)
        at = {place: position.next_offset for place, position in held.items()}
        left += sum(max(0, places[place] + 1 - at.get(place, 0)) for place in asked)
    return left


async def _outcomes(connection: asyncpg.Connection, events: Sequence[Asked]) -> list[Outcome]:
    rows: dict[str, Judged] = {}
    ids = sorted({event.command_id for event in events if event.command_id is not None})
    for some in _slices(ids):
        rows |= {row.command_id: row for row in await outcomes_of(connection, some)}
    return [_outcome(event, rows.get(event.command_id or "")) for event in events]


def _outcome(event: Asked, row: Judged | None) -> Outcome:
    who = event.command_id, event.customer_id
    if event.malformed is not None:
        return Outcome(*who, "malformed", event.malformed)
    if row is None:
        return Outcome(*who, "pending")
    first, reason = row.outcome, row.reason
    if event.event == digest(row.type, row.content, row.ce_id, row.ce_source):
        return Outcome(*who, first, reason)
    if event.content == digest(row.type, row.content, None, None):
        return Outcome(*who, "duplicate", reason, first)
    return Outcome(*who, "conflicting_duplicate", "conflicting_duplicate", first)


def _slices(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[at : at + COMMANDS_AT_ONCE] for at in range(0, len(ids), COMMANDS_AT_ONCE))
