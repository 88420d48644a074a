"""Converts the book's rows to the messages that the relay publishes, and messages to outgoing rows.

Outgoing rows are written in the transaction of the batch that caused them.
"""

import base64
import json
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from aiokafka import ConsumerRecord

from shared.ledger.arrival import Arrival
from shared.ledger.commands import Command, Ticked
from shared.ledger.fold import Seen
from shared.ledger.postgres.outgoing import Next, NextLine, NextNotice, NextRow, Row
from shared.ledger.reasons import Reason
from shared.ledger.sentences import sentence
from shared.schemas.dead_letters import dead_letter_headers
from shared.schemas.envelope import Message
from shared.schemas.outbound import (
    CommandRefused,
    command_refused,
    entitlement_changed,
    line_appended,
    notification_requested,
)
from shared.schemas.topics import RECHECKS, dead_letters_of


def row_of(message: Message) -> Row:
    return message.topic, message.key, message.value, encode_headers(message.headers)


def message(row: Row) -> Message:
    """Return the message of an outgoing row."""
    topic, key, value, headers = row
    return Message(topic, key, value, decode_headers(headers))  # type: ignore[arg-type]


def message_of(row: Next) -> Message:
    """Return the message to publish for a row of any stream."""
    if isinstance(row, NextLine):
        return line_appended(row.line, row.incarnation)
    if isinstance(row, NextRow):
        return message(row.row)
    if isinstance(row, NextNotice):
        return notification_requested(
            row.notice_id, row.customer_id, row.phone, row.language, row.kind, row.period,
            row.amount, row.text, row.segments,
            requested_at=row.requested_at, incarnation=row.incarnation,
        )  # fmt: skip
    return entitlement_changed(
        row.customer_id, row.expires_on, row.status, row.seq, row.username, row.package,
        changed_at=row.changed_at, incarnation=row.incarnation,
    )  # fmt: skip


def encode_headers(headers: Iterable[tuple[str, bytes | None]]) -> str:
    """Return headers as JSON, [[name, base64 of the bytes], ...], which preserves the bytes."""
    return json.dumps([[name, _base64(value)] for name, value in headers])


@lru_cache(maxsize=4096)
def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def decode_headers(text: str) -> list[tuple[str, bytes | None]]:
    return [
        (name, None if value is None else base64.b64decode(value))
        for name, value in json.loads(text)
    ]


def refusal(
    event: Arrival[Command] | Arrival[Ticked],
    key: str,
    reason: Reason,
    seen: Seen | None,
    at: datetime,
) -> Row:
    """Return the outgoing row that reports a refused command, or a conflicting duplicate of the
    command `seen`. The key is the customer id; for a tick, its period."""
    command = event.command
    customer_id = None if isinstance(command, Ticked) else command.customer_id
    refused = CommandRefused(
        command_id=command.command_id,
        customer_id=customer_id,
        command_type=event.type,
        reason=reason,
        first_outcome=seen.outcome if seen else None,
        first_reason=seen.reason if seen else None,
        event_id=event.ce_id,
        event_source=event.ce_source,
        sentence=sentence(reason, command.command_id, customer_id),
        said=json.loads(event.content),
    )
    return row_of(command_refused(refused, key, event.content, at))


def dead_letter(record: ConsumerRecord, error: str) -> Row:
    """Return the outgoing row for a record that cannot be read: its key and value unchanged, with
    headers that state its origin and the error."""
    headers = dead_letter_headers(
        record.headers, record.topic, record.partition, record.offset, record.timestamp, error
    )
    topic = dead_letters_of(record.topic)
    return topic, record.key, record.value, encode_headers(headers)


def recheck(customer_id: str) -> Row:
    """Return the outgoing row that requests a recheck of a customer's entitlement."""
    return RECHECKS, customer_id.encode(), b"{}", "[]"
