"""Bytes to event: one Kafka record in, one typed command out, or `Malformed`.

CloudEvents 1.0 in both modes of its Kafka binding. The content type decides which:
`application/cloudevents+json` is structured (the attributes are read from the value, headers
do not count; the data stands in `data` or, as base64 of its JSON text, in `data_base64`);
`application/json`, with or without parameters such as a charset, is binary
(the attributes are `ce_*` headers). A record without a content type is read as binary, for
the binding does not require one; then the required `ce_*` headers must all be there.
Anything else, batches included, is malformed. Missing attributes are never invented.
"""

import json
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Generic, NoReturn, TypeVar
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from shared.ledger.arrival import Arrival
from shared.schemas.envelope import CLOUDEVENT, JSON
from shared.schemas.event import Event, Part
from shared.schemas.inbound import MODELS
from shared.schemas.malformed import Malformed, why
from shared.schemas.topics import INBOUND, MAX_VALUE_BYTES, TOPIC_OF_TYPE

Headers = Sequence[tuple[str, bytes]]
E = TypeVar("E", bound=Event)

REQUIRED = ("ce_id", "ce_source", "ce_type", "ce_specversion")
ATTRIBUTE_BYTES_MAX = 2000
"""A longer id or source would not fit into the refusal, which repeats it."""


class Envelope(Part):
    """The attributes of a structured event; `data` is read afterwards, when its type is known."""

    specversion: str
    id: str
    source: str
    type: str
    datacontenttype: str | None = None
    data_base64: str | None = None


class Enveloped(Part, Generic[E]):
    data: E


Read = Callable[[bytes], Any]

_IN_BINARY: dict[str, dict[bytes, tuple[str, Read]]] = {
    topic.name: {
        name.encode(): (name, MODELS[name].__pydantic_validator__.validate_json)
        for name in topic.types
    }
    for topic in INBOUND
}
_IN_STRUCTURED: dict[str, Read] = {
    name: Enveloped[model].__pydantic_validator__.validate_json  # type: ignore[valid-type]
    for name, model in MODELS.items()
}


def decode(
    topic: str, key: bytes | None, value: bytes | None, headers: Headers, zone: ZoneInfo
) -> Arrival[Any]:
    """Read one record of an inbound topic; days are taken in the business zone.

    The command is a `Ticked` on billing.ticks.v1, else one about a customer.
    Raises Malformed, and nothing else, whatever the bytes are. Of a JSON key given twice the
    last counts; a `ce_*` or content-type header given twice is malformed.
    """
    if value is None:
        raise Malformed("the value is missing: an event cannot be deleted")
    if len(value) > MAX_VALUE_BYTES:
        raise Malformed(f"oversized: {len(value)} bytes, at most {MAX_VALUE_BYTES} are read")
    named = {name.lower(): content for name, content in headers}
    if len(named) != len(headers):
        _refuse_repeated(headers)
    try:
        text = value
        if _is_structured(named.get("content-type")):
            kind, ce_id, ce_source, event, text = _structured(topic, value)
        else:
            kind, ce_id, ce_source, event = _binary(topic, value, named)
        command = event.command(zone)
    except ValidationError as error:
        raise Malformed(_not_utf8(value) or why(error)) from error
    except ValueError as error:
        raise Malformed(str(error)) from error
    for each in (value,) if text is value else (value, text):
        # One letter is found several times faster than a word, and most values have neither.
        if (b"N" in each and b"NaN" in each) or (b"I" in each and b"Infinity" in each):
            json.loads(each, parse_constant=_refuse_constant)
    if key is None or key != getattr(event, event.key_field).encode():
        raise Malformed(_key_fault(key, event.key_field))
    return Arrival(kind, command, event.content(), ce_id, ce_source)


def _binary(topic: str, value: bytes, named: dict[str, bytes]) -> tuple[str, str, str, Event]:
    ce_id, ce_source = named.get("ce_id"), named.get("ce_source")
    ce_type, version = named.get("ce_type"), named.get("ce_specversion")
    if not (ce_id and ce_source and ce_type and version):
        absent = next(name for name in REQUIRED if not named.get(name))
        raise Malformed(f"the header {absent} is missing or empty")
    if version != b"1.0":
        raise Malformed("the header ce_specversion must be 1.0")
    known = _IN_BINARY[topic].get(ce_type)
    if known is None:
        raise Malformed(_type_fault(topic, ce_type.decode(errors="replace")))
    kind, read = known
    return kind, _attribute("ce_id", ce_id), _source(ce_source), read(value)


def _structured(topic: str, value: bytes) -> tuple[str, str, str, Event, bytes]:
    """Return type, id, source and event, and the JSON text that the event was read from."""
    envelope: Envelope = Envelope.__pydantic_validator__.validate_json(value)
    for name in ("id", "source", "type", "specversion"):
        if not getattr(envelope, name):
            raise Malformed(f"{name}: is empty")
    if envelope.specversion != "1.0":
        raise Malformed("specversion: must be 1.0")
    if envelope.type.encode() not in _IN_BINARY[topic]:
        raise Malformed(_type_fault(topic, envelope.type))
    if envelope.datacontenttype and _media_type(envelope.datacontenttype) != JSON:
        raise Malformed(f"datacontenttype: must be {JSON}")
    if envelope.data_base64 is None:
        event, text = _IN_STRUCTURED[envelope.type](value).data, value
    else:
        text = data_of(json.loads(value))
        event = _in_base64(_IN_BINARY[topic][envelope.type.encode()][1], text)
    return (
        envelope.type,
        _attribute("id", envelope.id.encode()),
        _attribute("source", envelope.source.encode()),
        event,
        text,
    )


def data_of(event: Mapping[str, Any]) -> bytes:
    """Return the JSON bytes that a structured event carries as data_base64.

    CloudEvents' JSON format: base64 of the data, and no `data` beside it. Malformed otherwise.
    """
    text = event["data_base64"]
    if event.get("data") is not None:
        raise Malformed("data_base64: comes with data, and only one of them may be there")
    if not isinstance(text, str):
        raise Malformed("data_base64: must be a string")
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise Malformed("data_base64: is not base64") from None


def _in_base64(read: Read, text: bytes) -> Any:
    try:
        return read(text)
    except ValidationError as error:
        raise Malformed(f"data_base64: {_not_utf8(text) or why(error)}") from error


@lru_cache(maxsize=64)
def _is_structured(content_type: bytes | None) -> bool:
    if content_type is None:
        return False
    media_type = _media_type(content_type.decode("latin-1"))
    if media_type not in (JSON, CLOUDEVENT):
        raise Malformed(f"content-type: must be {JSON} or {CLOUDEVENT}, not {media_type}")
    return media_type == CLOUDEVENT


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _attribute(name: str, raw: bytes) -> str:
    if len(raw) > ATTRIBUTE_BYTES_MAX:
        raise Malformed(f"{name} is longer than {ATTRIBUTE_BYTES_MAX} bytes")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Malformed(f"{name} is not UTF-8") from None
    if "\0" in text:
        raise Malformed(f"{name} holds the character U+0000")
    return text


@lru_cache(maxsize=1024)
def _source(raw: bytes) -> str:
    return _attribute("ce_source", raw)


def _refuse_repeated(headers: Headers) -> None:
    """Refuse a `ce_*` or content-type header given twice: which one is meant is unknown."""
    names = [name.lower() for name, _ in headers]
    for name in names:
        if names.count(name) > 1 and (name.startswith("ce_") or name == "content-type"):
            raise Malformed(f"the header {name} is there more than once")


def _refuse_constant(word: str) -> NoReturn:
    raise Malformed(f"not JSON: {word} is no JSON number")


def _not_utf8(value: bytes) -> str | None:
    try:
        value.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8: the byte at {error.start} starts no character"
    return None


def _type_fault(topic: str, kind: str) -> str:
    if kind in TOPIC_OF_TYPE:
        return f"type: {kind} belongs on {TOPIC_OF_TYPE[kind]}, not on {topic}"
    return f"type: {kind!r} is not known"


def _key_fault(key: bytes | None, field: str) -> str:
    if key is None:
        return f"the key is missing: it must be the {field}"
    return f"the key {key.decode(errors='replace')[:80]!r} differs from {field}"
