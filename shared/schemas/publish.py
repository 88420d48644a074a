"""Inbound events as messages, for publishers: `rollforward publish`, ticks, tests.

Only what routing needs is checked here. An event with other faults is sent as it is, and the worker
that reads it makes it a dead letter.
"""

import json
from typing import Any

from shared.schemas.codec import data_of
from shared.schemas.envelope import CLOUDEVENT, JSON, Message
from shared.schemas.inbound import MODELS
from shared.schemas.malformed import Malformed
from shared.schemas.topics import TOPIC_OF_TYPE


def from_line(line: str | bytes) -> Message:
    """Return one structured CloudEvent (a JSONL line) as the message to send, byte for byte.

    Malformed when it cannot be routed: not a JSON object, unknown type, no key in its data.
    """
    value = line.strip().encode() if isinstance(line, str) else line.strip()
    try:
        event = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {error}") from error
    if not isinstance(event, dict):
        raise Malformed("not a JSON object: one structured CloudEvent is expected")
    topic, key = route(event.get("type"), _data(event))
    return Message(topic, key, value, [("content-type", CLOUDEVENT.encode())])


def _data(event: dict[str, Any]) -> Any:
    """Return the data of a structured event, from `data` or `data_base64`."""
    if event.get("data_base64") is None:
        return event.get("data")
    try:
        return json.loads(data_of(event))
    except (ValueError, RecursionError) as error:
        raise Malformed(f"data_base64: not JSON: {error}") from error


def structured(event: dict[str, Any]) -> Message:
    """Return a structured CloudEvent given as a dict; Malformed as in `from_line`."""
    return from_line(_json(event))


def binary(
    event_type: str, data: dict[str, Any], ce_id: str, source: str, time: str | None = None
) -> Message:
    """Return an event in binary mode; Malformed when it cannot be routed."""
    topic, key = route(event_type, data)
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", ce_id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", event_type.encode()),
        ("content-type", JSON.encode()),
    ]
    if time is not None:
        headers.append(("ce_time", time.encode()))
    return Message(topic, key, _json(data).encode(), headers)


def route(event_type: Any, data: Any) -> tuple[str, bytes]:
    """Return the topic that carries a type and the key that its data names."""
    if event_type is None:
        raise Malformed("type: is missing")
    if not isinstance(event_type, str) or event_type not in MODELS:
        raise Malformed(f"type: {event_type!r} is not known")
    field = MODELS[event_type].key_field
    key = data.get(field) if isinstance(data, dict) else None
    if not isinstance(key, str) or not key:
        raise Malformed(f"data.{field}: is missing, and it is the record's key")
    try:
        return TOPIC_OF_TYPE[event_type], key.encode()
    except UnicodeEncodeError:
        raise Malformed(f"data.{field}: holds half a surrogate pair") from None


def _json(event: dict[str, Any]) -> str:
    # ASCII with escapes, so that even half a surrogate pair can be sent; its reader refuses it.
    return json.dumps(event, separators=(",", ":"))
