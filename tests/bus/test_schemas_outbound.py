"""What goes out says the same in the same bytes, and dead letters lose nothing."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ledger.line import Line
from shared.schemas.dead_letters import DeadLetter, dead_letter_headers, read_dead_letter
from shared.schemas.outbound import (
    CommandRefused,
    EntitlementChanged,
    LineAppended,
    NotificationRequested,
    command_refused,
    entitlement_changed,
    line_appended,
    notification_requested,
)
from tests.bus.schema_samples import GOLDEN

AT = datetime(2026, 1, 31, 18, 5, 0, 123456, tzinfo=UTC)


def bill(actor: str | None = None, reason: str | None = 'said "so"') -> Line:
    return Line(
        customer_id="c-1", seq=2, period="2026-02", revision=0, kind="bill",
        previous_due=48387, charge=100000, discount=0, vat=5000, paid=0, due=153387,
        coverage_from=date(2026, 2, 1), coverage_to=date(2026, 3, 1),
        command_id="bill/c-1/2026-02", reverses=None, effective_on=date(2026, 2, 1),
        actor=actor, reason=reason, policy_version=3, recorded_at=AT, hash=bytes(range(32)),
        anchor_day=1, discount_ppm=0, vat_exempt=False, bill_policy_version=3, standing=True,
        bill_seq=2, adjusted_charge=0, adjusted_vat=0, granted_discount=0, granted_vat=0,
    )  # fmt: skip


def refusal(**changes: Any) -> CommandRefused:
    told = json.loads(GOLDEN[CommandRefused.type]["binary"]["value"])
    return CommandRefused(**{**told, **changes})


def test_each_outbound_event_is_encoded_as_its_sample() -> None:
    told = {
        kind: json.loads(GOLDEN[kind]["binary"]["value"])
        for kind in (NotificationRequested.type, EntitlementChanged.type)
    }
    entitlement = {**told[EntitlementChanged.type], "expires_on": date(2026, 2, 11)}
    sent = [
        line_appended(bill(), 1),
        command_refused(refusal(), "c-1", '{"customer_id":"c-1"}', AT),
        notification_requested(NotificationRequested(**told[NotificationRequested.type]), AT, 1),
        entitlement_changed(EntitlementChanged(**entitlement), AT, 1),
    ]

    for message in sent:
        headers = {name: said.decode() for name, said in message.headers}
        golden = GOLDEN[headers["ce_type"]]
        assert (message.topic, message.key.decode()) == (golden["topic"], golden["key"])
        assert headers == golden["binary"]["headers"]
        assert message.value.decode() == golden["binary"]["value"]


@given(actor=st.none() | st.text(), reason=st.none() | st.text())
def test_a_line_is_json_whatever_its_texts_hold(actor: str | None, reason: str | None) -> None:
    told = LineAppended.model_validate_json(line_appended(bill(actor, reason), 1).value)

    assert (told.actor, told.reason) == (actor, reason)


def test_amounts_below_zero_keep_their_sign() -> None:
    told = json.loads(line_appended(bill()._replace(due=-21613), 1).value)
    assert told["due"] == "-216.13"


def test_each_conflict_has_an_id_of_its_own_and_a_repeat_the_same() -> None:
    def ce_id(content: str, **changes: Any) -> bytes:
        return dict(command_refused(refusal(**changes), "c-1", content, AT).headers)["ce_id"]

    assert ce_id("one") == ce_id("one") != ce_id("other")
    assert ce_id("one", first_outcome=None) == b"refused/payment/p-a"


HEADERS = st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=8)), max_size=4)


@given(headers=HEADERS, offset=st.integers(0, 2**62), error=st.text(max_size=20))
def test_a_dead_letter_gives_its_headers_back(
    headers: list[tuple[str, bytes]], offset: int, error: str
) -> None:
    told = DeadLetter("billing.payments.v1", 7, offset, 1768622400123, error)

    added = dead_letter_headers(headers, *told)

    assert added[: len(headers)] == headers
    assert read_dead_letter(added) == (told, headers)


def test_a_record_without_our_headers_is_no_dead_letter() -> None:
    with pytest.raises(ValueError, match="dead letter"):
        read_dead_letter([("ce_id", b"e-1")])
