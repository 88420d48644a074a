"""What is asked for, from the lines alone: open items, the amount to pay, the day of expiry."""

from datetime import date
from types import MappingProxyType
from typing import Any

import pytest

from shared.ledger.policy.policy import PERMISSIONS, Policy, Staff
from shared.ledger.statement import Statement, newest_open
from shared.ledger.terms import Package
from tests.postgres.booked import change, pay, signup, tick
from tests.support.histories import history
from tests.support.naive import Naive
from tests.support.naive_views import customer, invoices
from tests.support.rules import Rules


def played(seed: int) -> tuple[Naive, Rules]:
    naive, rules = Naive(), Rules()
    for step in history(seed, size=60).steps:
        for engine in (naive, rules):
            engine.apply_policy(step) if isinstance(step, Policy) else engine.apply(step)
    return naive, rules


@pytest.mark.parametrize("seed", range(300, 340), ids=lambda seed: f"seed-{seed}")
def test_a_statement_says_what_the_naive_model_says(seed: int) -> None:
    naive, rules = played(seed)

    for customer_id, account in rules.accounts.items():
        statement = Statement(account.periods, account.opening_due)
        for mode in ("cumulative", "monthly"):
            items: list[Any] = [
                (*item, statement.amount_to_pay(item, mode)) for item in statement.items()
            ]
            assert items == [tuple(each) for each in invoices(naive, customer_id, mode)]
        shown = customer(naive, customer_id)
        assert account.contact is not None
        if not shown.vip:
            assert (
                statement.expires_on(naive.policy.grace_days, account.contact.grace_until)
                == shown.expires_on
            )
        assert statement.due == shown.due


@pytest.mark.parametrize("seed", range(300, 320), ids=lambda seed: f"seed-{seed}")
def test_the_newest_item_is_open_by_what_its_own_figures_say(seed: int) -> None:
    _, rules = played(seed)

    for account in rules.accounts.values():
        if account.periods:
            *_, newest = Statement(account.periods, account.opening_due).items()
            last = account.periods[-1]
            assert newest.open == newest_open(last.billed, last.due)


def test_before_the_first_period_what_was_owed_before_is_due_and_nobody_expires() -> None:
    statement = Statement([], opening_due=50_00)

    assert (statement.due, statement.opening_open, list(statement.items())) == (50_00, 50_00, [])
    assert statement.open_since() is None
    assert statement.expires_on(10) is None


def test_credit_from_before_settles_the_first_bills() -> None:
    rules = Rules(Policy(1, staff=MappingProxyType({"boss": Staff(PERMISSIONS)})))
    rules.apply(signup("rahim", "2026-01-01", opening_due=-1500_00))

    (account,) = rules.accounts.values()
    statement = Statement(account.periods, account.opening_due)
    assert [(item.paid, item.open) for item in statement.items()] == [(1000_00, 0)]
    assert statement.expires_on(10) == date(2026, 2, 11)


def test_an_open_opening_due_is_asked_for_with_a_first_period_that_cost_nothing() -> None:
    rules = Rules()
    rules.apply(signup("rahim", "2026-01-01", opening_due=50_00, package=Package("home", 0)))
    rules.apply(change("h-1", "rahim", "2026-02-01", package=Package("home", 1000_00)))

    (account,) = rules.accounts.values()
    assert [line.billed for line in account.periods] == [0, 1000_00]
    assert Statement(account.periods, account.opening_due).open_since() == date(2026, 1, 1)
    assert Statement(account.periods).open_since() == date(2026, 2, 1)


def test_nobody_expires_before_the_day_that_was_granted() -> None:
    rules = Rules()
    rules.apply(signup("rahim", "2026-01-01"))

    (account,) = rules.accounts.values()
    statement = Statement(account.periods)
    assert statement.expires_on(10, date(2026, 1, 20)) == date(2026, 1, 20)
    assert statement.expires_on(10, date(2026, 1, 10)) == date(2026, 1, 11)
    assert Statement([]).expires_on(10, date(2026, 1, 20)) is None


@pytest.mark.parametrize("seed", range(300, 320), ids=lambda seed: f"seed-{seed}")
def test_what_is_owed_by_age_less_the_credit_is_the_total_due(seed: int) -> None:
    _, rules = played(seed)

    for account in rules.accounts.values():
        statement = Statement(account.periods, account.opening_due)
        for day in (None, rules.business_date, date(2199, 12, 31)):
            credit, *ages = statement.aging(day)
            assert min(ages) >= 0
            assert sum(ages) - credit == statement.due


def test_each_open_amount_ages_from_the_day_its_period_is_asked_for() -> None:
    rules = Rules()
    rules.apply(signup("rahim", "2026-01-01", opening_due=70_00))
    for day in ("2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01"):
        rules.apply(tick(day))
    rules.apply(pay("p-1", "rahim", 370_00, "2026-04-01"))

    (account,) = rules.accounts.values()
    statement = Statement(account.periods, account.opening_due)
    # Of 70.00 and four bills of 1000.00, 370.00 settle the opening due and 300.00 of January.
    assert statement.aging(date(2026, 4, 1)) == (0, 0, 1000_00, 2000_00, 700_00, 0)
    assert statement.aging(date(2026, 4, 2)) == (0, 0, 1000_00, 2000_00, 0, 700_00)
    assert statement.aging(date(2026, 3, 31)) == (0, 1000_00, 1000_00, 1000_00, 700_00, 0)
    assert statement.aging(None) == (0, 3700_00, 0, 0, 0, 0)


def test_opening_due_that_is_open_ages_with_the_first_period() -> None:
    rules = Rules()
    rules.apply(signup("rahim", "2026-01-01", opening_due=70_00))

    (account,) = rules.accounts.values()
    statement = Statement(account.periods, account.opening_due)
    assert statement.aging(date(2026, 5, 1)).days_over_90 == 1070_00
    assert Statement([], 70_00).aging(date(2026, 5, 1)) == (0, 70_00, 0, 0, 0, 0)
    assert Statement([], -70_00).aging(date(2026, 5, 1)) == (70_00, 0, 0, 0, 0, 0)
