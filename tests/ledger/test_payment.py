"""Payments and the period they are posted to (docs/rules.md#payment)."""

import pytest

from shared.ledger.references import reference_of
from tests.support.tell import tell


def test_a_payment_raises_paid_of_the_period_that_covers_its_day() -> None:
    tell("""
        2026-02-15  signup  rahim  100.00 a month, joined 2026-01-10, anniversary
        2026-02-09  pay     rahim   30.00
        2026-02-10  pay     rahim    5.00
        2026-01     covers 2026-01-10..2026-02-10  paid 30.00  due  70.00
        2026-02     covers 2026-02-10..2026-03-10  paid  5.00  due 165.00
    """)


def test_a_payment_before_the_first_period_goes_to_the_first() -> None:
    tell("""
        2026-02-15  signup  rahim  100.00 a month, joined 2026-01-10
        2025-12-01  pay     rahim   30.00
        2026-01     paid 30.00
        2026-02     paid  0.00
    """)


def test_a_payment_after_the_last_period_goes_to_the_last() -> None:
    tell("""
        2026-01-10  signup  rahim  100.00 a month
        2026-07-01  pay     rahim   30.00
        2026-01     paid 30.00
    """)


def test_a_late_payment_restates_every_later_period_in_one_pass() -> None:
    tell("""
        2026-03-01  signup  rahim  100.00 a month, joined 2026-01-01
        2026-01-20  pay     rahim   30.00, as p1
        lines rahim
        1  2026-01  bill         previous   0.00  due 100.00
        2  2026-02  bill         previous 100.00  due 200.00
        3  2026-03  bill         previous 200.00  due 300.00
        4  2026-01  payment      previous   0.00  paid 30.00  due  70.00  revision 1
        5  2026-02  restatement  previous  70.00  paid  0.00  due 170.00  command_id payment/p1
        6  2026-03  restatement  previous 170.00  paid  0.00  due 270.00  command_id payment/p1
    """)


def test_money_needs_no_permission_and_may_exceed_what_is_due() -> None:
    tell("""
        2026-01-01  signup  rahim  100.00 a month
        2026-01-20  pay     rahim  900.00, by stranger
        2026-01     paid 900.00  due -800.00
    """)


def test_money_is_taken_from_a_customer_who_has_left() -> None:
    tell("""
        2026-01-01  signup  rahim  100.00 a month
        2026-01-02  leave   rahim
        2026-06-20  pay     rahim  100.00
        2026-01     due 0.00
    """)


def test_a_reference_is_used_once_whoever_the_customer() -> None:
    tell("""
        policy
        2026-01-01  signup  rahim  100.00 a month
        2026-01-01  signup  karim  100.00 a month
        2026-01-02  pay     rahim   10.00, reference r1, as p1
        2026-01-02  pay     rahim   20.00, reference r1, as p2  => refused reference_already_used
        2026-01-02  pay     karim   30.00, reference r1, as p3  => refused reference_already_used
        2026-01-02  pay     karim   40.00, reference r2, as p4
        2026-01-02  pay     karim   50.00, as p5
        2026-01-03  cancel  rahim  payment p1
        2026-01-03  pay     karim   60.00, reference r1, as p6
        statement rahim
        2026-01     paid 0.00
        statement karim
        2026-01     paid 150.00
    """)


def test_a_refused_payment_uses_no_reference() -> None:
    tell("""
        2026-01-01  signup  rahim  100.00 a month
        2026-01-02  pay     rahim   10.00, reference r1, as p1
        2026-01-02  pay     rahim   20.00, reference r1, as p2  => refused reference_already_used
        2026-01-02  pay     rahim   20.00, reference r1, as p2  => duplicate
        2026-01-02  pay     rahim   20.00, reference r2, as p3
        2026-01     paid 30.00
    """)


@pytest.mark.parametrize(
    ("method", "reference"),
    [("BKASH", "Tx-9"), (" bkash\t", "Tx-9"), ("bKash", "TX-9"), ("bKash", " tx-9 ")],
)
def test_method_and_reference_are_the_same_whatever_their_case_and_outer_spaces(
    method: str, reference: str
) -> None:
    assert reference_of(method, reference) == reference_of("bKash", "Tx-9") is not None


@pytest.mark.parametrize(
    ("method", "reference"), [("nagad", "Tx-9"), ("b Kash", "Tx-9"), ("bKash", "Tx 9")]
)
def test_another_method_or_inner_spaces_make_another_reference(method: str, reference: str) -> None:
    assert reference_of(method, reference) != reference_of("bKash", "Tx-9")


@pytest.mark.parametrize("reference", [None, "", "   ", "\t\n"])
def test_a_reference_of_spaces_is_none(reference: str | None) -> None:
    assert reference_of("bKash", reference) is None
