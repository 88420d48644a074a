"""Decodes records of Kafka into events; those that cannot be read become dead letters."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from aiokafka import ConsumerRecord

from shared.ledger.arrival import Arrival
from shared.ledger.postgres.outgoing import Row
from shared.runtime import outbox
from shared.schemas.codec import decode
from shared.schemas.malformed import Malformed
from shared.schemas.topics import TICKS


def read(records: Iterable[ConsumerRecord], zone: ZoneInfo) -> tuple[list[Arrival[Any]], list[Row]]:
    """Return the events, in the order of their records, and dead letters for all other records.
    Ticks get the day of their record's own timestamp (`Arrival.sent_on`)."""
    events, letters = [], []
    for record in records:
        try:
            event = decode(record.topic, record.key, record.value, record.headers, zone)
            if record.topic == TICKS and record.timestamp > 0:
                event = event._replace(sent_on=_day(record.timestamp, zone))
            events.append(event)
        except Malformed as malformed:
            letters.append(outbox.dead_letter(record, str(malformed)))
    return events, letters


def _day(timestamp: int, zone: ZoneInfo) -> date | None:
    """Return the local date of a record's timestamp in milliseconds; None for one that no clock
    shows."""
    try:
        return datetime.fromtimestamp(timestamp / 1000, zone).date()
    except (OverflowError, ValueError, OSError):
        return None
