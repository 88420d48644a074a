"""A customer as they were known: an account made of lines and commands is the one that was."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from shared.ledger.account import Account
from shared.ledger.as_known import account_known, as_customer, money_of, planned
from shared.ledger.commands import RefundMade, SignedUp
from shared.ledger.explain import Accepted
from shared.ledger.terms import Package, encode
from tests.ledger.test_explain import play, played
from tests.postgres.booked import BOSS, cancel, change, day, pay, signup
from tests.support.histories import history
from tests.support.rules import STARTS_AT, Rules

SEEDS = (*range(200, 260), 1173, 1895)
LATER = datetime.max.replace(tzinfo=UTC)


def _known(rules: Rules, accepted: Sequence[Accepted], who: str, at: datetime) -> Account | None:
    lines = [line for line in rules.lines(who) if line.recorded_at <= at]
    own = [each for each in accepted if each.command.customer_id == who and each.recorded_at <= at]
    return account_known(lines, own)


def _shape(account: Account | None) -> Any:
    if account is None:
        return None
    return (
        account.customer_id, account.joined_on, account.opening_due, account.billed_through,
        encode(account.terms), account.contact, account.periods,
    )  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_at_any_instant_it_is_the_account_that_was_in_force_then(seed: int) -> None:
    steps = history(seed, size=40).steps
    whole, accepted = play(steps)
    # What waited for a signup took effect after it.
    accepted.sort(key=lambda each: (each.recorded_at, not isinstance(each.command, SignedUp)))

    again = Rules()
    for step in played(again, steps):
        at = STARTS_AT + timedelta(seconds=again.batches)
        for who, account in again.accounts.items():
            assert _shape(_known(whole, accepted, who, at)) == _shape(account), (who, step)


def test_money_is_listed_with_what_was_taken_back_and_what_was_not_after_all() -> None:
    refund = RefundMade("refund/r1", "rahim", 6_000, "p1", day("2026-01-04"), "boss", "moved")
    rules, accepted = play(
        [
            BOSS,
            signup("rahim", "2026-01-01"),
            pay("p1", "rahim", 15_000, "2026-01-02"),
            refund,
            pay("p2", "rahim", 1_000, "2026-01-05"),
            pay("p3", "rahim", 2_000, "2026-01-06"),
            cancel("x1", "rahim", "payment/p2", "2026-01-07"),
            cancel("x2", "rahim", "payment/p3", "2026-01-08"),
            cancel("x3", "rahim", "cancellation/x2", "2026-01-09"),
        ]
    )
    lines = rules.lines("rahim")

    found = money_of(lines, accepted)

    assert [(each.command_id, each.day, each.amount, each.cancelled) for each in found] == [
        ("payment/p1", date(2026, 1, 2), 15_000, False),
        ("refund/r1", date(2026, 1, 4), -6_000, False),
        ("payment/p2", date(2026, 1, 5), 1_000, True),
        ("payment/p3", date(2026, 1, 6), 2_000, False),
    ]


def test_changes_that_lie_ahead_are_listed_by_their_day() -> None:
    rules, accepted = play(
        [
            BOSS,
            signup("rahim", "2026-01-01"),
            change("h1", "rahim", "2026-02-01", package=Package("fast", 20_000)),
            change("h2", "rahim", "2026-03-10", status="suspended"),
        ]
    )
    account = _known(rules, accepted, "rahim", LATER)
    assert account is not None

    ahead = planned(account, date(2026, 1, 15))
    then = planned(account, date(2026, 2, 1))

    assert [(each.day, each.field) for each in ahead] == [
        (date(2026, 2, 1), "package"),
        (date(2026, 3, 10), "status"),
    ]
    assert ahead[0].value.price == 20_000
    assert ahead[1].value == "suspended"
    assert then == ahead[1:], "what has begun is not planned any more"


def test_a_customer_without_a_period_is_pending() -> None:
    rules, accepted = play([BOSS, signup("rahim", "2026-02-01", signed_up_on=day("2026-01-01"))])
    account = _known(rules, accepted, "rahim", LATER)
    assert account is not None

    assert as_customer(account, date(2026, 1, 1), 7)["status"] == "pending"
