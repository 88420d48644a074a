"""Who is told what (docs/topics.md), with values alone."""

import unicodedata
from datetime import date
from typing import Any

import pytest
import smsutil
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.notices import (
    amount_to_pay,
    entitlement,
    notices,
)
from services.notifier.texts import MONTHS, TEXTS, segments, written
from shared.ledger.money import decimal
from shared.ledger.postgres.notices import Entitlement, Facts, Waiting

BILLED = Facts(
    customer_id="rahim",
    phone="+8801711000001",
    language="en",
    mode="cumulative",
    status="active",
    expires_on=date(2026, 1, 11),
    due=300_000,
    period="2026-03",
    billed=100_000,
    standing=True,
    bill_seq=3,
    bill_command="bill/rahim/2026-03",
    seq=3,
    username="rahim",
    package="home",
    texting=True,
    untold_seq=0,
    published=None,
)


def line(seq: int, period: str = "2026-03", kind: str = "bill", **others: Any) -> dict[str, Any]:
    command_id = others.pop("command_id", f"bill/rahim/{period}")
    return {
        "customer_id": "rahim",
        "seq": seq,
        "period": period,
        "kind": kind,
        "command_id": command_id,
    }


def told(facts: Facts, *lines: dict[str, Any], **payments: int) -> list[tuple[str, int]]:
    amounts = {(facts.customer_id, int(seq[1:])): amount for seq, amount in payments.items()}
    return [(each.notice_id, each.amount) for each in notices(facts, lines, amounts)]


# Due -----------------------------------------------------------------------------------------


def test_months_filled_forward_make_one_notice() -> None:
    lines = [line(1, "2026-01"), line(2, "2026-02"), line(3)]

    assert told(BILLED, *lines) == [("due/rahim/2026-03", 300_000)]


def test_a_bill_that_a_later_one_follows_is_not_told_of() -> None:
    assert told(BILLED, line(2, "2026-02")) == []


def test_a_bill_with_nothing_due_is_not_told_of() -> None:
    assert told(BILLED._replace(due=0), line(3)) == []
    assert told(BILLED._replace(due=-5), line(3)) == []


def test_a_bill_cancelled_by_now_is_not_told_of() -> None:
    assert told(BILLED._replace(standing=False), line(3)) == []


def test_a_skip_row_is_told_of_once_it_is_a_bill() -> None:
    skipped = BILLED._replace(bill_seq=0, standing=False)
    prorated = BILLED._replace(bill_seq=4)

    assert told(skipped, line(3, kind="skip")) == []
    assert told(prorated, line(4, kind="proration")) == [("due/rahim/2026-03", 300_000)]


def test_a_change_of_a_bill_told_of_before_is_no_new_bill_but_a_correction() -> None:
    for kind in ("proration", "extension", "discount", "adjustment"):
        changed = line(4, kind=kind, command_id=f"change/{kind}")
        assert told(BILLED, changed) == [(f"correction/change/{kind}", 300_000)]
    assert told(BILLED, line(4, kind="restatement")) == []


def test_what_a_silent_signup_billed_is_not_told_of() -> None:
    assert told(BILLED._replace(untold_seq=3), line(3)) == []
    assert told(BILLED._replace(untold_seq=2), line(3)) == [("due/rahim/2026-03", 300_000)]


def test_who_wants_no_texts_gets_none() -> None:
    paid = line(4, "2026-01", "payment", command_id="payment/p-1")

    assert told(BILLED._replace(texting=False), line(3), paid, s4=20_000) == []


def test_one_command_makes_one_correction_and_none_beside_the_bill_that_it_makes() -> None:
    change = {"kind": "proration", "command_id": "change/c-1"}
    lines = [line(4, "2026-01", **change), line(5, "2026-02", **change), line(6, **change)]

    assert told(BILLED._replace(bill_seq=6), *lines) == [("due/rahim/2026-03", 300_000)]
    assert [each for each, _ in told(BILLED, *lines)] == ["correction/change/c-1"] * 3


def test_a_refund_is_told_with_its_amount() -> None:
    refund = line(4, "2026-01", "refund", command_id="refund/r-1")

    assert told(BILLED, refund, s4=-20_000) == [("refund/r-1", 20_000)]


def test_money_that_waits_for_a_first_period_has_its_receipt() -> None:
    new = BILLED._replace(period=None, billed=None, standing=None, bill_seq=None, due=0)
    waiting = Waiting("rahim", "p-7", 105_000, date(2026, 7, 1))

    (receipt,) = notices(new, [], {}, [waiting])

    assert (receipt.notice_id, receipt.kind, receipt.period) == (
        "receipt/p-7",
        "receipt",
        "2026-07",
    )
    assert receipt.amount == 105_000


# Receipts and corrections --------------------------------------------------------------------


def test_a_payment_makes_a_receipt_of_its_own_amount() -> None:
    paid = line(4, "2026-01", "payment", command_id="payment/p:1")

    assert told(BILLED, paid, s4=20_000) == [("receipt/p:1", 20_000)]


def test_a_reversal_makes_a_correction_with_what_is_to_be_paid_now() -> None:
    reversal = line(4, "2026-01", "reversal", command_id="cancellation/x-1")

    assert told(BILLED, reversal) == [("correction/x-1", 300_000)]
    assert told(BILLED._replace(mode="monthly"), reversal) == [("correction/x-1", 100_000)]
    assert told(BILLED._replace(due=-700), reversal) == [("correction/x-1", 0)]


@pytest.mark.parametrize("due", [0, -700])
def test_a_correction_after_which_nothing_is_owed_says_so_and_names_no_amount(due: int) -> None:
    reversal = line(4, "2026-01", "reversal", command_id="cancellation/x-1")

    (settled,) = notices(BILLED._replace(due=due), [reversal], {})
    (owed,) = notices(BILLED, [reversal], {})

    assert "You have nothing to pay now." in settled.text
    assert "Tk" not in settled.text
    assert "You now have Tk 3000.00 to pay." in owed.text


def test_notices_keep_the_order_of_the_lines() -> None:
    lines = [
        line(3),
        line(4, "2026-01", "payment", command_id="payment/p-1"),
        line(5, "2026-01", "reversal", command_id="cancellation/x-1"),
    ]

    ids = [notice_id for notice_id, _ in told(BILLED, *lines, s4=1)]

    assert ids == ["due/rahim/2026-03", "receipt/p-1", "correction/x-1"]


# What is asked for ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "due", "billed", "asked"),
    [
        ("cumulative", 300_000, 100_000, 300_000),
        ("monthly", 300_000, 100_000, 100_000),
        ("monthly", 40_000, 100_000, 40_000),
        ("monthly", 40_000, 0, 40_000),
        ("monthly", 40_000, -500, 40_000),
        ("monthly", -1, 100_000, 0),
        ("cumulative", -1, 100_000, 0),
    ],
)
def test_each_mode_asks_for_its_amount(mode: str, due: int, billed: int, asked: int) -> None:
    assert amount_to_pay(BILLED._replace(mode=mode, due=due, billed=billed)) == asked


def test_the_text_says_whether_it_asks_for_a_bill_or_for_all_that_is_due() -> None:
    (whole,) = notices(BILLED, [line(3)], {})
    (alone,) = notices(BILLED._replace(mode="monthly"), [line(3)], {})
    (rest,) = notices(BILLED._replace(mode="monthly", billed=0), [line(3)], {})

    (only,) = notices(BILLED._replace(mode="monthly", due=100_000), [line(3)], {})

    assert "Your total due is Tk 3000.00" in whole.text
    assert "Please pay Tk 1000.00 for it. Your total due is Tk 3000.00." in alone.text
    assert "Please pay Tk 1000.00 for it." in only.text
    assert "total" not in only.text
    assert "Your total due is Tk 3000.00" in rest.text
    assert all("March 2026" in notice.text for notice in (whole, alone, rest))
    assert [notice.amount for notice in (whole, alone, rest, only)] == [300_000] * 3 + [100_000]


# Texts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", sorted(set(TEXTS["en"]) - {"signature"}))
@pytest.mark.parametrize("language", ["en", "bn"])
def test_every_text_names_amount_and_customer_and_fits_two_segments(
    language: str, what: str
) -> None:
    text = written(language, what, "rahim.1971", "2026-02", 128_387, 128_387)

    assert ("1283.87" in text) == (what != "correction_paid")
    assert "rahim.1971" in text
    assert "{" not in text
    assert segments(text) <= (1 if language == "en" else 2)
    assert unicodedata.is_normalized("NFC", text)
    assert text.isascii() == (language == "en")


@given(
    language=st.sampled_from(sorted(TEXTS)),
    what=st.sampled_from(sorted(set(TEXTS["en"]) - {"signature"})),
    customer_id=st.from_regex(r"[A-Za-z0-9._:-]{1,64}", fullmatch=True),
    period=st.from_regex(r"20[0-9]{2}-(0[1-9]|1[0-2])", fullmatch=True),
    amount=st.integers(0, 10**14),
    alone=st.integers(0, 10**14),
)
def test_a_text_is_what_its_template_says(
    language: str, what: str, customer_id: str, period: str, amount: int, alone: int
) -> None:
    year, month = period.split("-")
    name = f"{MONTHS[language][int(month) - 1]} {year}"
    said = TEXTS[language][what].format(month=name, amount=decimal(amount), alone=decimal(alone))
    signed = TEXTS[language]["signature"].format(text=said, customer_id=customer_id)

    assert written(language, what, customer_id, period, amount, alone) == signed


def test_the_languages_have_the_same_texts() -> None:
    assert TEXTS["en"].keys() == TEXTS["bn"].keys()
    assert [len(MONTHS[language]) for language in ("en", "bn")] == [12, 12]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("{" * 81, 2),  # two places each
        ("ক" * 70, 1),
        ("ক" * 71, 2),
        ("ক" * 134, 2),
        ("ক" * 135, 3),
    ],
)
def test_segments_are_counted_as_the_network_does(text: str, count: int) -> None:
    assert segments(text) == count


LETTERS = st.text("aé\n€{^ক𝄞", min_size=1, max_size=8)


@given(pieces=st.lists(st.tuples(LETTERS, st.integers(1, 90)), max_size=4))
def test_segments_are_counted_as_the_library_counts_them(pieces: list[tuple[str, int]]) -> None:
    text = "".join(piece * count for piece, count in pieces)

    assert segments(text) == len(smsutil.split(text).parts)


# Entitlements --------------------------------------------------------------------------------


def test_an_entitlement_goes_out_when_it_differs_from_the_last_told() -> None:
    first = entitlement(BILLED)
    assert first == Entitlement("rahim", date(2026, 1, 11), "active", 3, 1, "rahim", "home")

    assert entitlement(BILLED._replace(seq=9, published=first)) is None
    for changed in (
        BILLED._replace(expires_on=None),
        BILLED._replace(expires_on=date(2026, 2, 11)),
        BILLED._replace(status="suspended"),
        BILLED._replace(username="karim"),
        BILLED._replace(package="home-40"),
    ):
        again = entitlement(changed._replace(published=first))
        assert again is not None
        assert again.seq == 4


def test_the_seq_of_an_entitlement_is_that_of_the_last_line_where_there_is_a_new_one() -> None:
    facts = BILLED._replace(seq=9, published=Entitlement("rahim", None, "active", 5))

    changed = entitlement(facts)

    assert changed is not None
    assert changed.seq == 9
