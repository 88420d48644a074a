"""Dead letters: the original record with five more headers, its origin and the error."""

from collections.abc import Sequence
from typing import NamedTuple

Headers = Sequence[tuple[str, bytes]]

NAMES = (
    "dlq_original_topic",
    "dlq_original_partition",
    "dlq_original_offset",
    "dlq_original_timestamp",
    "dlq_error",
)


REPLAY_OF = "dlq_replay_of"
"""Added to an unreadable record that is sent again: the dead letter that it was, as TOPIC/OFFSET.
When it becomes a dead letter again, the two can be matched."""


class DeadLetter(NamedTuple):
    """The added headers; `timestamp` is Kafka's, in milliseconds since 1970."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    error: str


def dead_letter_headers(
    headers: Headers, topic: str, partition: int, offset: int, timestamp: int, error: str
) -> list[tuple[str, bytes]]:
    """Return the original headers, untouched and in their order, followed by ours."""
    values = (topic, partition, offset, timestamp, error)
    return [
        *headers,
        *((name, str(value).encode()) for name, value in zip(NAMES, values, strict=True)),
    ]


def read_dead_letter(headers: Headers) -> tuple[DeadLetter, list[tuple[str, bytes]]]:
    """Split a dead letter's headers into the added and the original ones, for a replay.

    ValueError when the last five headers are not ours: then the record is no dead letter.
    """
    original, added = list(headers[: -len(NAMES)]), headers[-len(NAMES) :]
    if tuple(name for name, _ in added) != NAMES or any(value is None for _, value in added):
        raise ValueError("the record does not end with the headers of a dead letter")
    topic, partition, offset, timestamp, error = (value.decode() for _, value in added)
    return DeadLetter(topic, int(partition), int(offset), int(timestamp), error), original
