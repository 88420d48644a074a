"""Dead letters: the record as it came, and five headers more that say whence and why."""

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
"""Added to a record that is sent again though it cannot be read: the letter that it was, as
TOPIC/OFFSET. So the letter that it comes back as is known."""


class DeadLetter(NamedTuple):
    """What the added headers say; `timestamp` is Kafka's, in milliseconds since 1970."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    error: str


def dead_letter_headers(
    headers: Headers, topic: str, partition: int, offset: int, timestamp: int, error: str
) -> list[tuple[str, bytes]]:
    """Return the original headers, untouched and in their order, followed by ours."""
    told = (topic, partition, offset, timestamp, error)
    return [
        *headers,
        *((name, str(said).encode()) for name, said in zip(NAMES, told, strict=True)),
    ]


def read_dead_letter(headers: Headers) -> tuple[DeadLetter, list[tuple[str, bytes]]]:
    """Part a dead letter's headers into what we added and the original ones, for a replay.

    ValueError when the last five headers are not ours: then the record is no dead letter.
    """
    original, added = list(headers[: -len(NAMES)]), headers[-len(NAMES) :]
    if tuple(name for name, _ in added) != NAMES or any(said is None for _, said in added):
        raise ValueError("the record does not end with the headers of a dead letter")
    topic, partition, offset, timestamp, error = (said.decode() for _, said in added)
    return DeadLetter(topic, int(partition), int(offset), int(timestamp), error), original
