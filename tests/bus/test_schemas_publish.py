"""Publishing looks at what routing needs and leaves the rest as it is."""

import json

import pytest

from shared.schemas.malformed import Malformed
from shared.schemas.publish import from_line
from tests.bus.schema_samples import GOLDEN, PAYMENT, SIGNUP, read


@pytest.mark.parametrize("kind", [kind for kind in GOLDEN if "structured" in GOLDEN[kind]])
def test_a_structured_line_is_routed_and_sent_byte_for_byte(kind: str) -> None:
    golden = GOLDEN[kind]
    line = golden["structured"]["value"]

    message = from_line(line + "\n")

    assert (message.topic, message.key.decode()) == (golden["topic"], golden["key"])
    assert message.value == line.encode()
    assert read(message).content == golden["content"]


def test_an_event_with_faults_is_sent_for_its_reader_to_judge() -> None:
    line = json.dumps({"type": PAYMENT, "data": {"customer_id": "no such id!", "amount": 5}})

    message = from_line(line)

    assert (message.topic, message.key) == ("billing.payments.v1", b"no such id!")
    with pytest.raises(Malformed):
        read(message)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        (b"\xff", "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "type: is missing"),
        ('{"type":["a"],"data":{}}', "is not known"),
        ('{"type":"billing.ledger.line_appended.v1","data":{"customer_id":"c-1"}}', "not known"),
        (f'{{"type":"{SIGNUP}"}}', "data.customer_id: is missing"),
        (f'{{"type":"{SIGNUP}","data":{{"customer_id":1}}}}', "data.customer_id: is missing"),
        (f'{{"type":"{SIGNUP}","data":{{"customer_id":"\\ud800"}}}}', "surrogate"),
        ('{"type":"billing.tick.v1","data":{"customer_id":"c-1"}}', "data.period: is missing"),
    ],
)
def test_what_cannot_be_routed_is_refused_with_the_reason(line: str | bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        from_line(line)
