"""A Kafka message as we send it, and the CloudEvents envelope around an event of ours."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

SOURCE = "rollforward"
JSON = "application/json"
CLOUDEVENT = "application/cloudevents+json"
INCARNATION = "ce_incarnation"

_CONSTANT = (
    ("ce_specversion", b"1.0"),
    ("ce_source", SOURCE.encode()),
    ("content-type", JSON.encode()),
)


class Message(NamedTuple):
    """One record to send; the partition follows from the key."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


@lru_cache(maxsize=1024)
def instant(moment: datetime) -> str:
    """Write an aware instant in UTC with six decimals: 2026-01-17T04:00:00.000000Z."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def envelope(
    event_type: str, ce_id: str, time: datetime, incarnation: int | None = None
) -> list[tuple[str, bytes]]:
    """Return the headers of an event of ours in binary mode.

    `ce_id` is made from the content, never random or from a clock, so that readers can recognise an
    event that is sent twice. `time` is when the content was recorded. `incarnation` is an
    extension attribute: of two events about the same thing, the higher one counts (docs/topics.md).
    """
    headers = [
        *_CONSTANT,
        ("ce_type", event_type.encode()),
        ("ce_id", ce_id.encode()),
        ("ce_time", instant(time).encode()),
    ]
    if incarnation is not None:
        headers.append((INCARNATION, str(incarnation).encode()))
    return headers
