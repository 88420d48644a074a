"""Decodes records of Kafka into events; those that cannot be read become dead letters."""

from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

from aiokafka import ConsumerRecord

from shared.ledger.arrival import Arrival
from shared.ledger.postgres.outgoing import Row
from shared.runtime import outbox
from shared.schemas.codec import decode
from shared.schemas.malformed import Malformed


def read(records: Iterable[ConsumerRecord], zone: ZoneInfo) -> tuple[list[Arrival[Any]], list[Row]]:
    """Return the events, in the order of their records, and dead letters for all other records."""
    events, letters = [], []
    for record in records:
        try:
            events.append(decode(record.topic, record.key, record.value, record.headers, zone))
        except Malformed as malformed:
            letters.append(outbox.dead_letter(record, str(malformed)))
    return events, letters
