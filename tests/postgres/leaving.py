"""What leaves a book for Kafka, as the relay would publish it; nothing is moved."""

import json
from typing import Any

import asyncpg

from shared.ledger.postgres import outgoing
from shared.runtime.outbox import message_of
from shared.runtime.relay import STREAMS
from shared.schemas.envelope import Message
from tests.conftest import BUCKETS

ROWS, BYTES = 100_000, 1 << 30
EVERYTHING = {(stream, bucket): 0 for stream in STREAMS for bucket in range(BUCKETS)}


async def leaving(connection: asyncpg.Connection, topic: str) -> list[Message]:
    """Return what leaves for a topic, in the order in which it was written."""
    rows: list[outgoing.Next] = [
        *await outgoing.next_lines(connection, EVERYTHING, ROWS),
        *await outgoing.next_rows(connection, EVERYTHING, ROWS, BYTES),
        *await outgoing.next_notices(connection, EVERYTHING, ROWS),
        *await outgoing.next_entitlements(connection, EVERYTHING, ROWS),
    ]
    messages = map(message_of, sorted(rows, key=lambda row: row.position))
    return [message for message in messages if message.topic == topic]


async def data_of(connection: asyncpg.Connection, topic: str) -> list[dict[str, Any]]:
    """Return the data of what leaves for a topic, each under its customer's key."""
    messages = await leaving(connection, topic)
    data = [json.loads(message.value or b"") for message in messages]
    assert [(m.key or b"").decode() for m in messages] == [each["customer_id"] for each in data]
    return data
