"""The canonical form of a line and the hash that chains it: golden, for ever."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ledger.line import GENESIS, Form, Line, canonical, chained, sealed

LINE = Line(
    "rahim", 3, "2026-01", 2, "reversal", -21613, 48387, 0, 2419, 20000, 9193,
    date(2026, 1, 17), date(2026, 2, 1), "cancellation/c-1", "payment/p-1", date(2026, 1, 20),
    "clerk-7", "typed\nit \\ twice", 4, datetime(2026, 1, 20, 6, 30, 0, 5, UTC), b"\x01" * 32, 1,
    125_000, False, 3, True, 1, 100, 5, 200, 10, date(2026, 1, 17), date(2026, 1, 20), 210, 10,
)  # fmt: skip
CANONICAL = """\
rahim
3
2026-01
2
reversal
-21613
48387
0
2419
20000
9193
2026-01-17
2026-02-01
cancellation/c-1
payment/p-1
2026-01-20
clerk-7
typed\\nit \\\\ twice
4
2026-01-20T06:30:00.000005Z
1
125000
f
3
t
1
100
5
200
10"""


def test_the_canonical_form_is_a_field_a_line() -> None:
    assert canonical(LINE).decode() == CANONICAL


def test_what_is_absent_is_not_what_is_empty() -> None:
    absent = canonical(LINE._replace(reverses=None, actor=None, reason=None))

    assert absent.count(b"\n\\N\n") == 2
    assert canonical(LINE._replace(reason="")) != canonical(LINE._replace(reason=None))
    assert canonical(LINE._replace(reason="\\N")) != canonical(LINE._replace(reason=None))


def test_an_instant_is_the_same_whatever_its_offset() -> None:
    dhaka = LINE.recorded_at.astimezone(timezone(timedelta(hours=6)))

    assert canonical(LINE._replace(recorded_at=dhaka)) == canonical(LINE)


def test_the_hash_is_golden() -> None:
    assert chained(LINE, GENESIS).hex() == GOLDEN_FIRST
    assert chained(LINE, bytes(31) + b"\x01").hex() == GOLDEN_NEXT


UNHASHED = ("hash", "made_on", "asked_on", "gifts", "gifts_vat")


@pytest.mark.parametrize("name", [name for name in Line._fields if name not in UNHASHED])
def test_every_field_counts_in_the_hash(name: str) -> None:
    value = getattr(LINE, name)
    others: dict[type, Any] = {
        str: "other", bool: not value, int: 77, date: date(2001, 1, 1),
        datetime: datetime(2001, 1, 1, tzinfo=UTC),
    }  # fmt: skip

    assert chained(LINE._replace(**{name: others[type(value)]}), GENESIS).hex() != GOLDEN_FIRST


def test_figures_of_the_recurring_part_leave_out_adjustments_and_grants() -> None:
    assert LINE.billed == 48387 - 0 + 2419
    assert LINE.recurring_charge == 48287
    assert LINE.recurring_discount == -200
    assert LINE.recurring_vat == 2424


def test_a_bill_is_cancelled_when_nothing_took_its_place() -> None:
    assert LINE._replace(standing=False).cancelled
    assert not LINE._replace(standing=False, bill_seq=0).cancelled
    assert not LINE.cancelled


GOLDEN_FIRST = "eb53595d5a048ba70bd20e7a2243e305537b98c8a2243a54db98e2fa04d90b6d"
GOLDEN_NEXT = "b79ddf5717c6c9a6570a56fd63e0dc7ee3e292902ef435377e1882505e25b873"


TEXTS = st.text("a\n\\0ক", max_size=4)
AMOUNTS = st.integers(-(10**12), 10**12)


@given(
    line=st.builds(
        LINE._replace, customer_id=TEXTS, seq=st.just(1), period=st.text("0-9", max_size=7),
        revision=st.just(0), kind=st.sampled_from(["bill", "skip"]), previous_due=AMOUNTS,
        charge=AMOUNTS, discount=AMOUNTS, vat=AMOUNTS, paid=st.just(0), command_id=TEXTS,
        reverses=st.none(), actor=st.none() | TEXTS, reason=st.none() | TEXTS,
        recorded_at=st.datetimes(timezones=st.just(UTC)),
        vat_exempt=st.booleans(), standing=st.booleans(), bill_seq=st.sampled_from([0, 1]),
    ),
    own=st.tuples(TEXTS, st.integers(1, 10**6), AMOUNTS, TEXTS, st.binary(max_size=32)),
)  # fmt: skip
def test_a_bill_made_by_its_form_is_the_bill_made_field_by_field(line: Line, own: Any) -> None:
    customer_id, seq, previous_due, command_id, previous_hash = own

    made = Form(line).sealed(customer_id, seq, previous_due, command_id, previous_hash)

    wanted = line._replace(
        customer_id=customer_id,
        seq=seq,
        previous_due=previous_due,
        due=previous_due + line.billed,
        command_id=command_id,
        bill_seq=seq if line.bill_seq else 0,
    )
    assert made == sealed(wanted, previous_hash)
    assert type(made) is Line
