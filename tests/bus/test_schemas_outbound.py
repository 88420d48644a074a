"""What goes out says the same in the same bytes, and dead letters lose nothing."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ledger.line import Line
from shared.ledger.money import decimal, minor
from shared.schemas.dead_letters import DeadLetter, dead_letter_headers, read_dead_letter
from shared.schemas.envelope import envelope, instant
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
MONEY = ("previous_due", "charge", "discount", "vat", "billed", "paid", "due")


def bill(actor: str | None = None, reason: str | None = 'said "so"') -> Line:
    return Line(
        customer_id="c-1", seq=2, period="2026-02", revision=0, kind="bill",
        previous_due=48387, charge=100000, discount=0, vat=5000, paid=0, due=153387,
        coverage_from=date(2026, 2, 1), coverage_to=date(2026, 3, 1),
        command_id="bill/c-1/2026-02", reverses=None, effective_on=date(2026, 2, 1),
        actor=actor, reason=reason, policy_version=3, recorded_at=AT, hash=bytes(range(32)),
        anchor_day=1, discount_ppm=0, vat_exempt=False, bill_policy_version=3, standing=True,
        bill_seq=2, adjusted_charge=0, adjusted_vat=0, granted_discount=0, granted_vat=0,
        made_on=date(2026, 2, 1), asked_on=date(2026, 2, 1), gifts=0, gifts_vat=0,
    )  # fmt: skip


def refusal(**changes: Any) -> CommandRefused:
    told = json.loads(GOLDEN[CommandRefused.type]["binary"]["value"])
    return CommandRefused(**{**told, **changes})


def test_each_outbound_event_is_encoded_as_its_sample() -> None:
    notice, entitlement = (
        json.loads(GOLDEN[kind]["binary"]["value"])
        for kind in (NotificationRequested.type, EntitlementChanged.type)
    )
    notice["amount"] = minor(notice["amount"])
    entitlement["expires_on"] = date(2026, 2, 11)
    sent = [
        line_appended(bill(), 1),
        command_refused(refusal(), "c-1", '{"customer_id":"c-1"}', AT),
        notification_requested(**notice, requested_at=AT, incarnation=1),
        entitlement_changed(**entitlement, changed_at=AT, incarnation=1),
    ]

    for message in sent:
        headers = {name: said.decode() for name, said in message.headers}
        golden = GOLDEN[headers["ce_type"]]
        assert (message.topic, message.key.decode()) == (golden["topic"], golden["key"])
        assert headers == golden["binary"]["headers"]
        assert message.value.decode() == golden["binary"]["value"]


TEXTS = st.text() | st.sampled_from(['"', "\\", "\0\x1f\x7f\n\r\t\b\f", "\u2028/<&>", "আপনার 𝄞"])
IDS = st.from_regex(r"[A-Za-z0-9._:-]{1,64}", fullmatch=True)
AMOUNTS = st.integers(-(10**14), 10**14)
DAYS = st.dates(date(2000, 1, 1), date(2199, 12, 31))
INSTANTS = st.datetimes(timezones=st.just(UTC), min_value=AT.replace(tzinfo=None))
COUNTS = st.integers(0, 2**31)


@given(
    amounts=st.lists(AMOUNTS, min_size=6, max_size=6),
    days=st.lists(DAYS, min_size=3, max_size=3),
    customer_id=IDS,
    texts=st.lists(st.none() | TEXTS, min_size=3, max_size=3),
    at=INSTANTS,
)
def test_a_line_is_written_as_its_model_writes_it_whatever_it_holds(
    amounts: list[int],
    days: list[date],
    customer_id: str,
    texts: list[str | None],
    at: datetime,
) -> None:
    dated = ("coverage_from", "coverage_to", "effective_on")
    changed: dict[str, Any] = {
        **dict(zip([name for name in MONEY if name != "billed"], amounts, strict=True)),
        **dict(zip(dated, days, strict=True)),
        **dict(zip(("actor", "reason", "reverses"), texts, strict=True)),
    }
    line = bill()._replace(**changed, customer_id=customer_id, recorded_at=at)
    fields = {name: getattr(line, name) for name in LineAppended.model_fields}
    written = {name: decimal(fields[name]) for name in MONEY}
    model = LineAppended(**{**fields, **written, "hash": line.hash.hex()})

    message = line_appended(line, 7)

    # The model leaves out the decimals of a whole second: they are always written.
    told = model.model_dump_json().replace(
        json.dumps(model.model_dump(mode="json")["recorded_at"]), json.dumps(instant(at))
    )
    assert message.value.decode() == told
    assert message.key.decode() == customer_id
    assert message.headers == envelope(LineAppended.type, f"{customer_id}/2", at, 7)


@given(
    phone=TEXTS,
    language=st.sampled_from(["en", "bn"]),
    kind=st.sampled_from(["due", "receipt", "correction"]),
    customer_id=IDS,
    amount=AMOUNTS,
    text=TEXTS,
    segments=COUNTS,
)
def test_a_notice_is_written_as_its_model_writes_it_whatever_it_holds(
    customer_id: str, amount: int, **others: Any
) -> None:
    fields = {"notice_id": f"due/{customer_id}/2026-02", "customer_id": customer_id, **others}
    fields["period"] = "2026-02"
    model = NotificationRequested(**fields, amount=decimal(amount))

    message = notification_requested(**fields, amount=amount, requested_at=AT, incarnation=3)

    assert message.value.decode() == model.model_dump_json()
    assert message.key.decode() == customer_id
    assert message.headers == envelope(model.type, fields["notice_id"], AT, 3)


@given(
    customer_id=IDS,
    expires_on=st.none() | DAYS,
    status=st.sampled_from(["pending", "active", "suspended", "left"]),
    seq=COUNTS,
    username=st.text(max_size=64),
    package=st.text(max_size=64),
)
def test_an_entitlement_is_written_as_its_model_writes_it(customer_id: str, **others: Any) -> None:
    model = EntitlementChanged(customer_id=customer_id, **others)

    message = entitlement_changed(customer_id, **others, changed_at=AT, incarnation=3)

    assert message.value.decode() == model.model_dump_json()
    assert message.key.decode() == customer_id
    ce_id = f"entitlement/{customer_id}/{model.seq}"
    assert message.headers == envelope(model.type, ce_id, AT, 3)


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
