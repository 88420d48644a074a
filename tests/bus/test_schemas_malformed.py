"""Whatever cannot be read is Malformed with one line that says why, never a crash."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.schemas.codec import decode
from shared.schemas.envelope import Message
from shared.schemas.malformed import REASON_CHARACTERS_MAX, Malformed
from shared.schemas.publish import structured
from shared.schemas.topics import INBOUND, MAX_VALUE_BYTES
from tests.bus.schema_samples import CHANGE, DHAKA, PAYMENT, SIGNUP, TICK, message, read, sample

CUSTOM = {"kind": "custom", "day": 10}


def reason_of(record: Message) -> str:
    with pytest.raises(Malformed) as refused:
        read(record)
    return refused.value.reason


def with_header(name: str, said: bytes | None) -> Message:
    """Return a good payment with one header said otherwise, or left out."""
    good = message(PAYMENT)
    headers = [header for header in good.headers if header[0] != name]
    return good._replace(headers=headers if said is None else [*headers, (name, said)])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"", "Invalid JSON"),
        (b"hello", "Invalid JSON"),
        (b'{"payment_id":', "Invalid JSON"),
        (b"[]", "must be an object"),
        (b"null", "must be an object"),
        (b'{"payment_id":"\xff"}', "not UTF-8"),
        (b'{"note":' + b"[" * 100_000, "recursion limit"),
        (b'{"a":' * 40_000, "recursion limit"),
        (b'{"note":' + b"9" * 200_000 + b"}", "Invalid JSON"),
        (b'{"actor":"\\ud800"}', "Invalid JSON"),
        (b" " * (MAX_VALUE_BYTES + 1), "oversized"),
    ],
)
def test_a_value_that_is_no_json_object_is_malformed(value: bytes, words: str) -> None:
    assert words in reason_of(message(PAYMENT)._replace(value=value))


def test_every_fault_of_an_event_is_named() -> None:
    reason = reason_of(message(PAYMENT, amount=5, channel="post", received_at="today"))

    assert [each.partition(":")[0] for each in reason.split("; ")] == [
        "amount",
        "channel",
        "received_at",
    ]


def test_faults_that_do_not_fit_into_a_reason_are_counted() -> None:
    extras = [{"code": 1, "quantity": 0}] * 20

    reason = reason_of(message(SIGNUP, name=1, extras=extras))

    named = reason.count(";") + 1
    assert reason.endswith(f" (and {41 - named} more)")
    assert named > 1
    assert len(reason) <= REASON_CHARACTERS_MAX


def test_a_username_that_nobody_could_tell_apart_is_explained() -> None:
    assert reason_of(message(SIGNUP, username="rahim\u200b")) == (
        "username: holds U+200B, a character that nobody sees"
    )
    assert "is not in Unicode normalization form C" in reason_of(
        message(CHANGE, username="e\u0301mil")
    )


def test_the_largest_value_allowed_is_read() -> None:
    good = message(PAYMENT)
    assert read(good._replace(value=good.value.ljust(MAX_VALUE_BYTES)))


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_what_json_does_not_know_is_malformed_even_in_an_unknown_field(word: str) -> None:
    good = message(PAYMENT)
    value = good.value.replace(b"{", b'{"note":' + word.encode() + b",", 1)

    assert "not JSON" in reason_of(good._replace(value=value))


def test_a_text_may_speak_of_infinity() -> None:
    assert read(message(PAYMENT, method="NaN, Infinity"))


@pytest.mark.parametrize("name", ["ce_id", "ce_source", "ce_type", "ce_specversion"])
@pytest.mark.parametrize("said", [None, b""])
def test_a_required_attribute_is_never_invented(name: str, said: bytes | None) -> None:
    assert reason_of(with_header(name, said)) == f"the header {name} is missing or empty"


@pytest.mark.parametrize(
    ("name", "said", "words"),
    [
        ("ce_specversion", b"0.3", "must be 1.0"),
        ("ce_type", b"billing.payment.received.v2", "is not known"),
        ("ce_type", b"billing.tick.v1", "belongs on billing.ticks.v1"),
        ("ce_type", b"\xff\x00", "is not known"),
        ("ce_id", b"\xff", "ce_id is not UTF-8"),
        ("ce_id", b"a\x00b", "U+0000"),
        ("ce_source", b"/" * 5000, "longer than"),
        ("content-type", b"text/plain", "content-type: must be"),
        ("content-type", b"application/cloudevents-batch+json", "content-type: must be"),
    ],
)
def test_an_attribute_that_says_something_else_is_malformed(
    name: str, said: bytes, words: str
) -> None:
    assert words in reason_of(with_header(name, said))


@pytest.mark.parametrize("said", [b"application/json; charset=UTF-8", b"Application/JSON", None])
def test_content_types_that_are_binary_mode(said: bytes | None) -> None:
    assert read(with_header("content-type", said)).type == PAYMENT


def test_header_names_are_read_whatever_their_case() -> None:
    good = message(PAYMENT)
    shouted = [(name.upper(), said) for name, said in good.headers]

    assert read(good._replace(headers=shouted)) == read(good)


def test_an_attribute_given_twice_is_malformed() -> None:
    good = message(PAYMENT)
    twice = good._replace(headers=[*good.headers, ("CE_ID", b"e-2")])

    assert reason_of(twice) == "the header ce_id is there more than once"


def test_no_headers_at_all_is_malformed() -> None:
    assert "ce_id" in reason_of(message(PAYMENT)._replace(headers=[]))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": ...}, "id: is missing"),
        ({"id": ""}, "id: is empty"),
        ({"id": 7}, "id: must be a string"),
        ({"source": ...}, "source: is missing"),
        ({"specversion": "2.0"}, "specversion: must be 1.0"),
        ({"data": ...}, "data: is missing"),
        ({"data": "{}"}, "data: must be an object"),
        ({"datacontenttype": "text/xml"}, "datacontenttype"),
    ],
)
def test_a_structured_event_lacks_nothing(changes: dict[str, Any], words: str) -> None:
    event = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/crm",
        "type": PAYMENT,
        "data": sample(PAYMENT),
    }
    changed = {name: said for name, said in {**event, **changes}.items() if said is not ...}
    good = structured(event)

    assert words in reason_of(good._replace(value=json.dumps(changed).encode()))


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (None, "the key is missing"),
        (b"", "differs from customer_id"),
        (b"c-2", "the key 'c-2' differs from customer_id"),
        (b"\xff" * 9000, "differs from customer_id"),
    ],
)
def test_the_key_is_the_customer(key: Any, words: str) -> None:
    assert words in reason_of(message(PAYMENT)._replace(key=key))


def test_the_key_of_a_tick_is_its_period() -> None:
    assert "differs from period" in reason_of(message(TICK)._replace(key=b"c-1"))


def test_a_tombstone_is_malformed() -> None:
    good = message(PAYMENT)
    with pytest.raises(Malformed, match="value is missing"):
        decode(good.topic, good.key, None, good.headers, DHAKA)


@pytest.mark.parametrize(
    ("kind", "field", "said"),
    [
        (PAYMENT, "payment_id", ...),
        (PAYMENT, "payment_id", None),
        (PAYMENT, "payment_id", ""),
        (PAYMENT, "payment_id", "p/1"),
        (PAYMENT, "payment_id", "p-1\n"),
        (PAYMENT, "payment_id", "p" * 65),
        (PAYMENT, "payment_id", 1),
        (PAYMENT, "amount", 1000),
        (PAYMENT, "amount", 1000.5),
        (PAYMENT, "amount", "1000.005"),
        (PAYMENT, "amount", "1e3"),
        (PAYMENT, "amount", "1,000.00"),
        (PAYMENT, "amount", "+5"),
        (PAYMENT, "amount", " 5"),
        (PAYMENT, "amount", "5."),
        (PAYMENT, "amount", "৫"),
        (PAYMENT, "amount", ""),
        (PAYMENT, "amount", "0.00"),
        (PAYMENT, "amount", "-1.00"),
        (PAYMENT, "amount", "10000000000.00"),
        (PAYMENT, "channel", "post"),
        (PAYMENT, "method", "a\x00b"),
        (PAYMENT, "method", "m" * 501),
        (PAYMENT, "received_at", "2026-01-17T10:00:00"),
        (PAYMENT, "received_at", "2026-01-17"),
        (PAYMENT, "received_at", "1768622400"),
        (PAYMENT, "received_at", 1768622400),
        (PAYMENT, "received_at", "2026-02-30T10:00:00Z"),
        (PAYMENT, "received_at", "2026-01-17T24:00:00Z"),
        (PAYMENT, "received_at", "2026-01-17T10:00:00+0600"),
        (PAYMENT, "received_at", "1999-12-31T17:59:59Z"),
        (PAYMENT, "received_at", "2199-12-31T18:00:00Z"),
        (PAYMENT, "received_at", "0001-01-01T00:00:00+14:00"),
        (PAYMENT, "received_at", "9999-12-31T23:59:59-12:00"),
        ("billing.adjustment.made.v1", "amount", "-0.00"),
        ("billing.discount.granted.v1", "period", "2026-13"),
        ("billing.discount.granted.v1", "period", "1999-12"),
        ("billing.bill_up_to.set.v1", "up_to", "2200-01-01"),
        ("billing.bill_up_to.set.v1", "up_to", "20260117"),
        (SIGNUP, "joined_on", "2026-02-29"),
        (SIGNUP, "joined_on", "1768622400"),
        (SIGNUP, "joined_on", "2026-01-17T00:00:00Z"),
        (SIGNUP, "bill_from", "2026-01-16"),
        (SIGNUP, "phone", "01711000001"),
        (SIGNUP, "phone", "+8801711-000001"),
        (SIGNUP, "phone", "+1234567890123456"),
        (SIGNUP, "language", "fr"),
        (SIGNUP, "vip", "true"),
        (SIGNUP, "vip", 1),
        (SIGNUP, "discount_percent", 10),
        (SIGNUP, "discount_percent", "100.0001"),
        (SIGNUP, "discount_percent", "1.00001"),
        (SIGNUP, "discount_percent", "-1"),
        (SIGNUP, "opening_due", 5),
        (SIGNUP, "package", "home"),
        (SIGNUP, "package", {"code": "home", "price": "-0.01"}),
        (SIGNUP, "package", {"price": "1.00"}),
        (SIGNUP, "extras", {"code": "ip"}),
        (SIGNUP, "extras", [{"code": "ip"}, {"code": "ip", "price": "1.00"}]),
        (SIGNUP, "extras", [{"code": "ip", "quantity": 0}]),
        (SIGNUP, "extras", [{"code": "ip", "quantity": 1001}]),
        (SIGNUP, "extras", [{"code": "ip", "quantity": "2"}]),
        (SIGNUP, "extras", [{"code": "ip", "quantity": 2.0}]),
        (SIGNUP, "extras", [{"code": "ip", "quantity": True}]),
        (SIGNUP, "extras", ["ip"]),
        (CHANGE, "extras", [{"code": "ip"}, {"code": "ip"}]),
        (SIGNUP, "extras", [{"code": "ip", "price": "-1.00"}]),
        (SIGNUP, "username", ""),
        (SIGNUP, "username", "two words"),
        (SIGNUP, "username", "a" * 65),
        (SIGNUP, "username", "a\u00a0b"),
        (SIGNUP, "username", "a\u0085b"),
        (SIGNUP, "username", "a\x7f"),
        (SIGNUP, "username", "a\x9b"),
        (CHANGE, "username", " "),
        (SIGNUP, "username", "rahim\u200b"),
        (SIGNUP, "username", "\u2066rahim"),
        (SIGNUP, "username", "rah\u3000im"),
        (CHANGE, "username", "ra\u00adhim"),
        (CHANGE, "username", "e\u0301mil"),
        (SIGNUP, "email", "nowhere"),
        (SIGNUP, "texting", "no"),
        (CHANGE, "until", "2026-02-15"),
        (CHANGE, "until", "2026-02-30"),
        (CHANGE, "grace_until", "soon"),
        (CHANGE, "until", "2026-02-14"),
        (CHANGE, "address", "a" * 501),
        (PAYMENT, "shared", "yes"),
        ("billing.adjustment.made.v1", "vat_exempt", 1),
        (SIGNUP, "cycle", {"kind": "weekly"}),
        (SIGNUP, "cycle", {"day": 10}),
        (SIGNUP, "cycle", {"kind": "custom"}),
        (SIGNUP, "cycle", {**CUSTOM, "day": None}),
        (SIGNUP, "cycle", {**CUSTOM, "day": 0}),
        (SIGNUP, "cycle", {**CUSTOM, "day": 32}),
        (SIGNUP, "cycle", {**CUSTOM, "day": 10.0}),
        (SIGNUP, "cycle", {**CUSTOM, "day": "10"}),
        (CHANGE, "status", "gone"),
        (CHANGE, "cycle", {"kind": "custom"}),
        (TICK, "trigger", "cron"),
        (TICK, "as_of", "1999-12-31"),
        (TICK, "allow_gap", 0),
    ],
)
def test_a_field_out_of_form_is_malformed_and_named(kind: str, field: str, said: Any) -> None:
    reason = reason_of(message(kind, **{field: said}))

    assert reason.startswith(field)
    assert "pattern" not in reason


@pytest.mark.parametrize(
    ("kind", "field", "said"),
    [
        (PAYMENT, "amount", "9999999999.99"),
        (PAYMENT, "amount", "0.01"),
        (PAYMENT, "method", "m" * 500),
        (PAYMENT, "received_at", "1999-12-31T18:00:00Z"),
        (PAYMENT, "received_at", "2199-12-31T17:59:59.999999Z"),
        (PAYMENT, "received_at", "2026-01-17t10:00:00.123456789z"),
        (SIGNUP, "opening_due", "-9999999999.99"),
        (SIGNUP, "package", {"code": "free", "price": "0"}),
        (SIGNUP, "discount_percent", "100.0000"),
        (SIGNUP, "cycle", {"kind": "anniversary", "day": 99}),
        (SIGNUP, "name", "two\nlines"),
        (SIGNUP, "username", "ব" * 64),
        (SIGNUP, "username", "\u00e9mil"),
        (SIGNUP, "extras", [{"code": "ip", "price": None, "quantity": 1000}]),
        (SIGNUP, "email", "a@b"),
        (CHANGE, "package", None),
        (CHANGE, "package", {"code": "home", "price": None}),
        (CHANGE, "until", "2026-02-16"),
        ("billing.cancellation.requested.v1", "cancels", "what?"),
    ],
)
def test_the_outermost_good_values_are_read(kind: str, field: str, said: Any) -> None:
    assert read(message(kind, **{field: said}))


def test_a_reason_is_one_short_line_whatever_the_event_says() -> None:
    shouting = "x\n\x1b[31m" * 2000
    reasons = [
        reason_of(message(SIGNUP, cycle={"kind": shouting})),
        reason_of(with_header("ce_type", shouting.encode())),
        reason_of(with_header("content-type", shouting.encode())),
        reason_of(message(PAYMENT)._replace(key=shouting.encode())),
    ]

    assert all(len(reason) <= REASON_CHARACTERS_MAX for reason in reasons)
    assert all(reason.isprintable() for reason in reasons)


@settings(max_examples=200, deadline=None)
@given(
    topic=st.sampled_from([topic.name for topic in INBOUND]),
    key=st.none() | st.binary(max_size=20),
    value=st.none() | st.binary(max_size=200),
    headers=st.lists(
        st.tuples(
            st.sampled_from(["ce_id", "ce_type", "ce_source", "content-type", "other"])
            | st.text(max_size=8),
            st.binary(max_size=30),
        ),
        max_size=6,
    ),
)
def test_any_bytes_are_an_event_or_malformed(
    topic: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    with pytest.raises(Malformed):
        decode(topic, key, value, headers, DHAKA)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), kind=st.sampled_from([PAYMENT, SIGNUP, CHANGE, TICK]))
def test_any_field_said_otherwise_is_read_or_malformed(data: st.DataObject, kind: str) -> None:
    field = data.draw(st.sampled_from([*sample(kind), "unknown"]))
    said = {**sample(kind), field: data.draw(JSON_VALUES)}

    with contextlib.suppress(Malformed):
        assert read(message(kind)._replace(value=json.dumps(said).encode())).type == kind
