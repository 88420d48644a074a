"""The golden samples, and a record of any data: what the schema tests are about."""

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from shared.ledger.arrival import Arrival
from shared.schemas.codec import decode
from shared.schemas.envelope import Message
from shared.schemas.publish import binary

DHAKA = ZoneInfo("Asia/Dhaka")
GOLDEN = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "golden").glob("*.json"))
}
PAYMENT = "billing.payment.received.v1"
SIGNUP = "billing.customer.signed_up.v1"
CHANGE = "billing.customer.changed.v1"
TICK = "billing.tick.v1"


def sample(kind: str, **changes: Any) -> dict[str, Any]:
    """Return the golden data of a type with some fields changed; `...` takes a field away."""
    data = {**json.loads(GOLDEN[kind]["binary"]["value"]), **changes}
    return {name: said for name, said in data.items() if said is not ...}


def message(kind: str, **changes: Any) -> Message:
    return binary(kind, sample(kind, **changes), "e-1", "/crm")


def read(message: Message) -> Arrival[Any]:
    return decode(message.topic, message.key, message.value, message.headers, DHAKA)


def content(kind: str, **changes: Any) -> str:
    return read(message(kind, **changes)).content
