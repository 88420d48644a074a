"""Events that mean harm, the same for a seed: broken, huge, deep, or well-formed and extreme."""

import json
import random
from collections.abc import Callable
from typing import Any

from shared.schemas.envelope import Message
from shared.schemas.inbound import MODELS
from shared.schemas.malformed import Malformed
from shared.schemas.publish import binary, structured
from shared.schemas.topics import MAX_VALUE_BYTES
from tests.bus.schema_samples import sample

TEXTS = (
    "",
    "'; DROP TABLE book.line; --",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(A1:A9)",
    "x" * 500,
    "x" * 10_000,
    "\u0000",
    "\u202egnp.exe",
    "a\r\nb\tc",
    "নাম",
    "\U0001f4a9" * 250,
    "{0.__class__}",
    "%s%n%x",
    "$1",
    "\\N",
    "null",
)
IDS = ("", " ", "a b", "a\u0000b", "a\nb", "x" * 64, "x" * 65, "../../etc", "-", "..", "а", "%00")
AMOUNTS = (
    "0.00",
    "0.01",
    "-0.01",
    "9999999999.99",
    "10000000000.00",
    "-9999999999.99",
    "1e9",
    "NaN",
    "Infinity",
    "0x10",
    "1_000",
    "١٢",
    "00000000000000000001.00",
    ".5",
    "1.001",
    100,
    1e308,
)
DAYS = (
    "0001-01-01",
    "1926-01-17",
    "1999-12-31",
    "2000-01-01",
    "2024-02-29",
    "2025-02-29",
    "2199-12-31",
    "2200-01-01",
    "9999-12-31",
    "2026-13-01",
    "2026-1-1",
)
INSTANTS = (
    "0001-01-01T00:00:00Z",
    "2000-01-01T00:00:00+14:00",
    "2026-01-17T23:59:60Z",
    "2026-01-17T10:00:00",
    "2026-01-17T10:00:00+99:99",
    "2199-12-31T23:59:59-12:00",
    "9999-12-31T23:59:59-12:00",
)
QUANTITIES = (0, 1, 1000, 1001, -1, 1.0, "1", True, 10**400)
ODD: tuple[Any, ...] = (None, True, -1, 0, 32, 10**400, 0.1, [], {}, [[]], {"kind": "custom"})


def hostile(chosen: random.Random, serial: int) -> Message:
    """Return one event: a good one with one to three things wrong, or extreme."""
    kind = chosen.choice(sorted(MODELS))
    data = sample(kind)
    for _ in range(chosen.randint(1, 3)):
        _spoil(data, chosen)
    name = f"hostile-{serial}"
    command = next((field for field in sample(kind) if field != "customer_id"), "")
    if command.endswith("_id") and chosen.random() < 0.8:
        data[command] = name
    if "username" in data and chosen.random() < 0.5:
        data["username"] = name  # or all who are not refused for something else go by one name
    if "customer_id" in data and chosen.random() < 0.5:
        data["customer_id"] = f"h-{chosen.randrange(50)}"
    try:
        message = binary(kind, data, name, "test")
    except Malformed:
        message = binary(kind, sample(kind), name, "test")._replace(value=_json(data))
    ways = (_as_it_is, _bytes, _headers, _deep, _structured)
    [way] = chosen.choices(ways, (60, 15, 10, 5, 10))
    return way(message, chosen)


def _spoil(data: dict[str, Any], chosen: random.Random) -> None:
    field = chosen.choice(sorted(data))
    value = data[field]
    inner = value[0] if isinstance(value, list) and value else value
    if isinstance(inner, dict) and inner and chosen.random() < 0.7:
        _spoil(inner, chosen)
        return
    by_name: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("_id", IDS),
        ("amount", AMOUNTS),
        ("price", AMOUNTS),
        ("opening", AMOUNTS),
        ("percent", AMOUNTS),
        ("_on", DAYS),
        ("as_of", DAYS),
        ("up_to", DAYS),
        ("until", DAYS),
        ("quantity", QUANTITIES),
        ("from", DAYS),
        ("_at", INSTANTS),
    )
    fitting = next((values for part, values in by_name if part in field), TEXTS)
    data[field] = chosen.choice(fitting if chosen.random() < 0.8 else (*ODD, *TEXTS))
    if chosen.random() < 0.05:
        del data[field]


def _as_it_is(message: Message, _: random.Random) -> Message:
    return message


def _bytes(message: Message, chosen: random.Random) -> Message:
    """Flip, cut, double, or fill the value."""
    value = bytearray(message.value)
    for _ in range(chosen.randint(1, 4)):
        value[chosen.randrange(len(value))] = chosen.randrange(256)
    spoilt: Callable[[], bytes] = chosen.choice(
        (
            lambda: bytes(value),
            lambda: bytes(value[: chosen.randrange(len(value))]),
            lambda: bytes(value) * 2,
            lambda: b"\xef\xbb\xbf" + message.value,
            lambda: message.value.ljust(MAX_VALUE_BYTES + chosen.choice((0, 1))),
        )
    )
    return message._replace(value=spoilt())


def _headers(message: Message, chosen: random.Random) -> Message:
    headers = list(message.headers)
    name, said = headers[chosen.randrange(len(headers))]
    headers.remove((name, said))
    wrong = chosen.choice((b"", b"\xff\xfe", said * 2, b"a" * 2001, b"a\0b", "‮".encode()))
    if chosen.random() < 0.7:
        headers.append((name, wrong))
    if chosen.random() < 0.3:
        headers.append((name.upper(), said))
    if chosen.random() < 0.3:
        strange = chosen.randbytes(chosen.choice((1, 3, 300)))
        headers.append((strange.decode(errors="surrogateescape"), said))
    key = chosen.choice((message.key, message.key, b"", b"\xff", b"k" * 4096))
    return message._replace(headers=headers, key=key)


def _deep(message: Message, chosen: random.Random) -> Message:
    depth = chosen.choice((50, 2_000, 100_000))
    deep = chosen.choice((b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth))
    return message._replace(value=message.value[:-1] + b', "note": ' + deep + b"}")


def _structured(message: Message, chosen: random.Random) -> Message:
    headers = dict(message.headers)
    event = {
        "specversion": chosen.choice(("1.0", "1.0", "0.3", 1)),
        "id": chosen.choice((headers["ce_id"].decode(), "", "\u0000", "i" * 3000)),
        "source": chosen.choice(("test", "", None)),
        "type": headers["ce_type"].decode(),
        "data": json.loads(message.value),
    }
    try:
        return structured(event)
    except Malformed:
        return message


def _json(data: Any) -> bytes:
    return json.dumps(data).encode()
