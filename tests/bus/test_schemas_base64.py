"""`data_base64`: the other form in which a structured event may carry its data."""

import json
from base64 import b64encode
from typing import Any

import pytest

from shared.schemas.malformed import Malformed
from shared.schemas.publish import from_line, structured
from tests.bus.schema_samples import PAYMENT, read, sample

EVENT: dict[str, Any] = {"specversion": "1.0", "id": "e-1", "source": "/crm", "type": PAYMENT}


def in_base64(text: bytes, **more: Any) -> bytes:
    return json.dumps({**EVENT, "data_base64": b64encode(text).decode(), **more}).encode()


def test_data_in_base64_is_the_same_event_as_the_data_itself() -> None:
    plain = structured({**EVENT, "data": sample(PAYMENT)})

    line = from_line(in_base64(json.dumps(sample(PAYMENT)).encode()))

    assert (line.topic, line.key) == (plain.topic, plain.key)
    assert read(line) == read(plain)


def test_a_field_that_is_null_counts_as_not_there() -> None:
    plain = structured({**EVENT, "data": sample(PAYMENT)})
    text = json.dumps(sample(PAYMENT)).encode()

    assert read(plain._replace(value=in_base64(text, data=None))) == read(plain)
    beside = json.dumps({**EVENT, "data": sample(PAYMENT), "data_base64": None}).encode()
    assert read(plain._replace(value=beside)) == read(plain)


GOOD = json.dumps(sample(PAYMENT)).encode()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (in_base64(GOOD, data=sample(PAYMENT)), "data_base64: comes with data"),
        (json.dumps({**EVENT, "data_base64": "%%%"}).encode(), "data_base64: is not base64"),
        (json.dumps({**EVENT, "data_base64": "e30"}).encode(), "data_base64: is not base64"),
        (json.dumps({**EVENT, "data_base64": "e3\u00e90="}).encode(), "is not base64"),
        (json.dumps({**EVENT, "data_base64": 7}).encode(), "data_base64: must be a string"),
        (in_base64(b""), "data_base64: "),
        (in_base64(b"{"), "data_base64: Invalid JSON"),
        (in_base64(b"[]"), "data_base64: must be an object"),
        (in_base64(b'{"payment_id": "\xff"}'), "data_base64: not UTF-8"),
        (in_base64(json.dumps({**sample(PAYMENT), "amount": 5}).encode()), "data_base64: amount"),
        (in_base64(GOOD[:-1] + b', "more": NaN}'), "NaN is no JSON number"),
    ],
)
def test_data_in_base64_that_cannot_be_read_is_malformed_and_says_why(
    value: bytes, words: str
) -> None:
    plain = structured({**EVENT, "data": sample(PAYMENT)})

    with pytest.raises(Malformed, match=words):
        read(plain._replace(value=value))


@pytest.mark.parametrize("value", [in_base64(b"{"), in_base64(b"\xff"), in_base64(b"[" * 100_000)])
def test_a_line_whose_base64_cannot_be_routed_is_refused_with_the_reason(value: bytes) -> None:
    with pytest.raises(Malformed, match="data_base64: not JSON"):
        from_line(value)
