"""Two events are the same exactly when they say the same (docs/events.md)."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.ledger import commands
from shared.ledger.money import decimal
from shared.ledger.terms import Cycle, Extra
from shared.schemas.inbound import MODELS, command_of
from shared.schemas.publish import binary
from tests.bus.schema_samples import (
    CHANGE,
    DHAKA,
    PAYMENT,
    SIGNUP,
    TICK,
    content,
    message,
    read,
    sample,
)

ADJUSTMENT = "billing.adjustment.made.v1"
PACKAGE = {"code": "home", "price": "1000.00"}
IP, TV = {"code": "ip"}, {"code": "tv", "price": "150.00"}
KEPT = json.loads((Path(__file__).parent / "contents_kept.json").read_text(encoding="utf-8"))
"""Of each inbound type an event of an earlier release, and its content as the book has kept it."""
DEFAULTS: dict[str, dict[str, Any]] = {
    SIGNUP: {
        "extras": [], "username": "c-1", "texting": True, "silent": False, "address": None,
        "email": None, "tax_id": None,
    },
    CHANGE: dict.fromkeys(
        ("extras", "until", "username", "texting", "address", "email", "tax_id", "grace_until")
    ),
    PAYMENT: {"shared": False},
    ADJUSTMENT: {"vat_exempt": False},
}  # fmt: skip
"""What each type has learned since then, at its default."""


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (PAYMENT, {"amount": "10"}, {"amount": "10.00"}),
        (PAYMENT, {"amount": "10.0"}, {"amount": "10.00"}),
        (ADJUSTMENT, {"amount": "-10.5"}, {"amount": "-10.50"}),
        (
            PAYMENT,
            {"received_at": "2026-01-17T10:00:00+06:00"},
            {"received_at": "2026-01-17T04:00:00.000Z"},
        ),
        (PAYMENT, {"reference": None}, {"reference": ...}),
        (PAYMENT, {"reference": ""}, {"reference": ...}),
        (PAYMENT, {"note": {"any": 1}}, {}),
        (PAYMENT, {"method": "caf\u00e9"}, {"method": "café"}),
        (SIGNUP, {"signup_id": ...}, {"signup_id": "c-1"}),
        (SIGNUP, {"bill_from": ...}, {"bill_from": "2026-01-17"}),
        (SIGNUP, {"language": None}, {"language": "en"}),
        (SIGNUP, {"mode": ...}, {"mode": "cumulative"}),
        (SIGNUP, {"vip": None}, {"vip": False}),
        (SIGNUP, {"vat_exempt": ...}, {"vat_exempt": False}),
        (SIGNUP, {"discount_percent": "0.0000"}, {"discount_percent": ...}),
        (SIGNUP, {"discount_percent": "12.50"}, {"discount_percent": "12.5"}),
        (SIGNUP, {"opening_due": "-0.00"}, {"opening_due": ...}),
        (SIGNUP, {"package": {**PACKAGE, "price": "1000"}}, {"package": PACKAGE}),
        (SIGNUP, {"package": {**PACKAGE, "speed": 20}}, {"package": PACKAGE}),
        (
            SIGNUP,
            {"cycle": {"kind": "start_of_month", "day": 9}},
            {"cycle": {"kind": "start_of_month"}},
        ),
        (CHANGE, {"vip": None}, {"vip": ...}),
        (PAYMENT, {"reference": "  "}, {"reference": ...}),
        (PAYMENT, {"shared": False}, {"shared": ...}),
        (ADJUSTMENT, {"vat_exempt": False}, {"vat_exempt": None}),
        (SIGNUP, {"extras": []}, {"extras": ...}),
        (SIGNUP, {"texting": True}, {"texting": ...}),
        (SIGNUP, {"silent": False}, {"silent": None}),
        (SIGNUP, {"username": "c-1"}, {"username": ...}),
        (SIGNUP, {"extras": [IP, TV]}, {"extras": [TV, {**IP, "quantity": 1, "x": 1}]}),
        (CHANGE, {"extras": [IP, TV]}, {"extras": [TV, IP]}),
        (CHANGE, {"prorate": None}, {"prorate": ...}),
        (TICK, {"allow_gap": False}, {"allow_gap": ...}),
    ],
)
def test_two_ways_to_say_the_same(kind: str, one: Any, other: Any) -> None:
    assert content(kind, **one) == content(kind, **other)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (PAYMENT, {"amount": "10.01"}, {"amount": "10.00"}),
        (PAYMENT, {"received_at": "2026-01-17T10:00:00Z"}, {"received_at": "2026-01-17T10:00:01Z"}),
        (PAYMENT, {"reference": "a"}, {"reference": ...}),
        (PAYMENT, {"method": "Cash"}, {"method": "cash"}),
        (CHANGE, {"vip": False}, {"vip": ...}),
        (CHANGE, {"prorate": False}, {"prorate": ...}),
        (CHANGE, {"status": "left", "prorate": False}, {"status": "left", "prorate": ...}),
        (CHANGE, {"package": PACKAGE, "prorate": True}, {"package": PACKAGE, "prorate": ...}),
        (CHANGE, {"extras": []}, {"extras": ...}),
        (CHANGE, {"texting": True}, {"texting": ...}),
        (CHANGE, {"username": "c-1"}, {"username": ...}),
        (CHANGE, {"until": "2026-09-01"}, {"until": ...}),
        (SIGNUP, {"extras": [IP]}, {"extras": [{**IP, "quantity": 2}]}),
        (SIGNUP, {"package": {"code": "home"}}, {"package": PACKAGE}),
        (PAYMENT, {"shared": True}, {"shared": ...}),
        (PAYMENT, {"reference": " a"}, {"reference": "a"}),
        (SIGNUP, {"signup_id": "s-2"}, {"signup_id": "s-1"}),
        (SIGNUP, {"cycle": {"kind": "anniversary"}}, {"cycle": {"kind": "custom", "day": 17}}),
    ],
)
def test_two_things_that_differ(kind: str, one: Any, other: Any) -> None:
    assert content(kind, **one) != content(kind, **other)


@pytest.mark.parametrize("kind", MODELS)
def test_an_event_that_was_kept_before_a_field_was_known_has_the_same_content_today(
    kind: str,
) -> None:
    """A kept content is compared with the event delivered again: it must be equal literally."""
    data = json.loads(KEPT[kind]["value"])
    with_defaults = {**data, **DEFAULTS.get(kind, {})}

    again = read(binary(kind, data, "e-1", "/crm"))

    assert again.content == KEPT[kind]["content"]
    assert read(binary(kind, with_defaults, "e-1", "/crm")) == again
    assert command_of(kind, again.content, DHAKA) == again.command


def test_the_defaults_above_are_of_all_fields_that_are_new() -> None:
    for kind in MODELS:
        data = json.loads(KEPT[kind]["value"])
        assert sample(kind).keys() == data.keys() | DEFAULTS.get(kind, {}).keys()


def test_a_signup_without_the_new_fields_gives_them_their_defaults() -> None:
    command = command_of(SIGNUP, KEPT[SIGNUP]["content"], DHAKA)

    assert isinstance(command, commands.SignedUp)
    assert (command.username, command.extras) == ("c-1", ())
    assert (command.texting, command.silent) == (True, False)


def test_extras_are_by_code_in_content_and_command_whatever_order_they_come_in() -> None:
    event = read(message(CHANGE, extras=[TV, {**IP, "quantity": 1000}]))

    assert '"extras":[{"code":"ip","quantity":1000},{"code":"tv","price":"150.00"}]' in (
        event.content
    )
    assert isinstance(event.command, commands.Changed)
    assert event.command.extras == (Extra("ip", None, 1000), Extra("tv", 15_000, 1))


def test_a_change_to_no_extras_is_not_a_change_that_names_none() -> None:
    none = read(message(CHANGE, extras=[])).command
    unnamed = read(message(CHANGE, extras=...)).command

    assert isinstance(none, commands.Changed)
    assert none.extras == ()
    assert isinstance(unnamed, commands.Changed)
    assert unnamed.extras is None


@pytest.mark.parametrize("kind", MODELS)
def test_the_order_of_keys_says_nothing(kind: str) -> None:
    good = message(kind)
    backwards = json.dumps(dict(reversed(list(sample(kind).items())))).encode()

    assert read(good._replace(value=backwards)) == read(good)


def test_of_a_key_given_twice_the_last_counts() -> None:
    good = message(PAYMENT, amount="10.00")
    twice = good.value.replace(b'"amount"', b'"amount":"99.00","amount"')

    assert read(good._replace(value=twice)) == read(good)


def test_the_anchor_day_of_each_cycle_is_resolved() -> None:
    def cycle(kind: str, said: dict[str, Any], **changes: Any) -> Cycle | None:
        command = read(message(kind, cycle=said, **changes)).command
        assert isinstance(command, commands.SignedUp | commands.Changed)
        return command.cycle

    joined = {"joined_on": "2026-01-31", "bill_from": ...}
    assert cycle(SIGNUP, {"kind": "start_of_month"}, **joined) == Cycle("start_of_month", 1)
    assert cycle(SIGNUP, {"kind": "anniversary"}, **joined) == Cycle("anniversary", 31)
    assert cycle(SIGNUP, {"kind": "custom", "day": 10}, **joined) == Cycle("custom", 10)
    assert cycle(CHANGE, {"kind": "anniversary"}) == Cycle("anniversary", 0)


def test_a_local_date_is_that_of_the_business_zone() -> None:
    command = read(message(PAYMENT, received_at="2026-01-31T18:00:00Z")).command

    assert isinstance(command, commands.PaymentReceived)
    assert command.received_on.isoformat() == "2026-02-01"


@settings(max_examples=100, deadline=None)
@given(
    amount=st.integers(1, 999_999_999_999),
    second=st.integers(0, 199 * 365 * 86_400),
    offset=st.integers(-14 * 60, 14 * 60),
    texts=st.tuples(
        *[st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))] * 3
    ),
)
def test_a_content_gives_back_its_command_and_itself(
    amount: int, second: int, offset: int, texts: tuple[str, str, str]
) -> None:
    moment = datetime(2000, 1, 2, tzinfo=UTC) + timedelta(seconds=second)
    elsewhere = moment.astimezone(timezone(timedelta(minutes=offset)))
    method, reference, actor = texts
    said = {"method": method, "reference": reference, "actor": actor, "amount": decimal(amount)}

    one = read(message(PAYMENT, received_at=moment.isoformat(), **said))
    other = read(message(PAYMENT, received_at=elsewhere.isoformat(), **said))

    assert one == other
    assert command_of(PAYMENT, one.content, DHAKA) == one.command
    assert isinstance(one.command, commands.PaymentReceived)
    assert one.command.amount == amount
