"""The business date and what it bills (docs/rules.md#tick)."""

from datetime import UTC, date, datetime, timedelta

import pytest

from shared.ledger.commands import Ticked
from shared.ledger.decide import judge_tick
from shared.ledger.fold import Fold
from shared.ledger.world import World
from tests.support.rules import Rules
from tests.support.tell import tell

DAY = date(2026, 1, 31)


def ticked(as_of: date, period: str | None = None, allow_gap: bool = False) -> Ticked:
    return Ticked("tick/t", "t", period or as_of.isoformat()[:7], as_of, "nightly", allow_gap)


def test_a_tick_bills_the_labels_whose_bill_day_has_come_oldest_first() -> None:
    tell("""
        2026-01-01  signup  rahim  100.00 a month
        2026-02-10  tick    2026-02
        2026-03-15  tick    2026-03

        lines rahim
        1  2026-01  bill  command_id bill/rahim/2026-01
        2  2026-02  bill  command_id bill/rahim/2026-02
        3  2026-03  bill  command_id bill/rahim/2026-03
    """)


def test_a_tick_the_day_before_the_bill_day_bills_nothing() -> None:
    tell("""
        2026-01-10  signup  rahim  100.00 a month, anniversary
        2026-02-09  tick    2026-02
        2026-01     covers 2026-01-10..2026-02-10
        2026-02-10  tick    2026-02
        2026-01     covers 2026-01-10..2026-02-10
        2026-02     covers 2026-02-10..2026-03-10
    """)


def test_after_a_month_without_ticks_every_month_has_its_row() -> None:
    tell("""
        2026-01-01  signup  rahim  100.00 a month
        2026-04-30  tick    2026-04
        2026-01     due 100.00
        2026-02     due 200.00
        2026-03     due 300.00
        2026-04     due 400.00
    """)


def test_the_business_date_never_moves_back() -> None:
    tell("""
        2026-02-01  tick    2026-02
        2026-01-05  tick    2026-01
        2026-01-01  signup  rahim  100.00 a month
        2026-01     due 100.00
        2026-02     due 200.00
    """)


def test_a_tick_is_not_bound_to_36_bills() -> None:
    *_, rules = tell("""
        2026-01-01  signup  rahim  100.00 a month
        2030-12-01  tick    2030-12, allow gap
    """)

    assert len(rules.statement("rahim")) == 60


def test_a_suspended_month_gets_a_skip_row_with_nothing_to_pay() -> None:
    tell("""
        2026-01-01  signup   rahim  100.00 a month
        2026-01-10  suspend  rahim, from 2026-01-10
        2026-02-01  tick     2026-02
        lines rahim
        1  2026-01  bill  billed 100.00
        2  2026-02  skip  billed   0.00  due 100.00
        statement rahim
        2026-01     standing yes
        2026-02     standing no
    """)


@pytest.mark.parametrize("days", [45, 0, -400])
def test_45_days_past_the_business_date_need_no_allow_gap(days: int) -> None:
    assert judge_tick(ticked(DAY + timedelta(days)), DAY) is None


def test_46_days_past_the_business_date_need_allow_gap() -> None:
    assert judge_tick(ticked(DAY + timedelta(46)), DAY) == "gap_too_large"
    assert judge_tick(ticked(DAY + timedelta(46), allow_gap=True), DAY) is None


def test_the_first_tick_of_all_leaves_no_gap() -> None:
    assert judge_tick(ticked(DAY), None) is None


def test_the_first_tick_of_all_is_held_against_the_day_on_which_it_was_sent() -> None:
    sent_on = DAY - timedelta(46)

    assert judge_tick(ticked(DAY), None, sent_on) == "gap_too_large"
    assert judge_tick(ticked(DAY, allow_gap=True), None, sent_on) is None
    assert judge_tick(ticked(DAY - timedelta(1)), None, sent_on) is None
    assert judge_tick(ticked(DAY), DAY, sent_on) is None, "a later one against the business date"


def test_as_of_lies_in_the_period_before_a_gap_is_asked_for() -> None:
    assert judge_tick(ticked(DAY, "2026-02"), DAY) == "outside_period"
    assert judge_tick(ticked(DAY + timedelta(90), "2026-02"), DAY) == "outside_period"


def test_a_refused_tick_moves_nothing() -> None:
    tell("""
        2026-01-01  signup  rahim  100.00 a month
        2026-01-01  tick    2026-01
        2026-03-01  tick    2026-03  => refused gap_too_large
        2026-02-01  tick    2026-03  => refused outside_period
        2026-01     due 100.00
    """)


def test_a_customer_that_cannot_be_billed_is_quarantined_and_the_run_goes_on() -> None:
    *_, rules = tell("""
        2026-01-01  signup  broken  100.00 a month
        2026-01-01  signup  rahim   100.00 a month
    """)
    assert isinstance(rules, Rules)
    accounts = dict(rules.accounts)
    accounts["broken"].terms = accounts["broken"].terms.changed(package=())
    fold = Fold(World(datetime(2026, 2, 1, tzinfo=UTC)), accounts)

    made = [fold.bill(customer_id, date(2026, 2, 1)) for customer_id in ("broken", "rahim")]

    assert made == [None, (1, 0)]
    assert list(fold.quarantined) == ["broken"]
    assert fold.quarantined["broken"].startswith("AssertionError: ")
    assert [(line.customer_id, line.period) for line in fold.lines] == [("rahim", "2026-02")]
