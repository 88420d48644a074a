"""Explanations: the terms found again give every charge of every history."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from textwrap import dedent
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.console.story import as_text, as_values
from shared.ledger.commands import RebillRequested
from shared.ledger.explain import PRICED, Accepted, explain
from shared.ledger.line import Line
from shared.ledger.policy.policy import Policy
from shared.ledger.terms import Package
from tests.postgres.booked import BOSS, cancel, change, signup, tick
from tests.stories.grammar import Told, understood
from tests.support.histories import history
from tests.support.rules import STARTS_AT, Rules

SEEDS = range(1, 61)
DHAKA = ZoneInfo("Asia/Dhaka")


def played(rules: Rules, steps: Sequence[Any]) -> Iterator[Any]:
    """Apply steps one by one; yield each that is no policy, once it is applied."""
    for step in steps:
        if isinstance(step, Policy):
            rules.apply_policy(step)
        else:
            rules.apply(step)
            yield step


def play(steps: Sequence[Any]) -> tuple[Rules, list[Accepted]]:
    """Play steps one by one; return the rules and the accepted commands as they took effect."""
    rules, accepted = Rules(), dict[str, Accepted]()
    # Of two with one command id the first counts; the other is a duplicate or a conflict.
    commands = {each.command_id: each for each in reversed(steps) if not isinstance(each, Policy)}
    for _ in played(rules, steps):
        at = STARTS_AT + timedelta(seconds=rules.batches)
        for command_id, outcome in rules.outcomes.items():
            if outcome.kind == "accepted" and hasattr(commands[command_id], "customer_id"):
                accepted.setdefault(command_id, Accepted(commands[command_id], at))
    return rules, list(accepted.values())


def periods(lines: Sequence[Line]) -> Iterator[str]:
    yield from sorted({line.period for line in lines})


@pytest.mark.parametrize("seed", SEEDS)
def test_every_charge_of_a_history_is_explained(seed: int) -> None:
    rules, accepted = play(history(seed).steps)

    for customer_id, lines in rules.stored.items():
        own = [each for each in accepted if each.command.customer_id == customer_id]
        for period in periods(lines):
            steps = explain(lines, own, rules.policies, period)

            assert [step.line for step in steps] == [ln for ln in lines if ln.period == period]
            for step in steps:
                if step.line.kind in PRICED:
                    pricing = step.pricing
                    assert pricing is not None
                    assert pricing.agrees, f"line {step.line.seq}"
                    assert sum(tax.amount for tax in pricing.taxes) == step.line.recurring_vat
            assert as_text(steps, DHAKA)
            assert as_values(steps)


def test_a_refund_names_its_payment_or_the_credit() -> None:
    story = """
        policy
        2026-01-01  signup  rahim  100.00 a month
        2026-01-02  pay     rahim  150.00, as p1
        2026-01-04  refund  rahim   60.00, of p1, as r1
        2026-01-20  pay     rahim  100.00, as p2
        2026-01-21  refund  rahim   10.00, as r2
    """
    steps = understood("refunds", dedent(story)).steps
    rules, accepted = play([each.command if isinstance(each, Told) else each for each in steps])

    found = explain(rules.lines("rahim"), accepted, rules.policies, "2026-01")

    said = as_text(found, DHAKA)
    assert "refund: 60.00 paid back of payment/p1\n" in said
    assert "refund: 10.00 paid back of the credit\n" in said
    assert [each["payment_id"] for each in as_values(found) if each["kind"] == "refund"] == [
        "p1",
        None,
    ]


def test_a_bill_names_the_signup_that_made_it_or_the_run() -> None:
    rules, accepted = play([signup("rahim", "2026-01-01", actor=None), tick("2026-02-01")])

    january, february = (
        explain(rules.lines("rahim"), accepted, rules.policies, period)
        for period in ("2026-01", "2026-02")
    )

    assert "by signup/rahim, which names no actor, command bill/rahim/2026-01" in " ".join(
        as_text(january, DHAKA).split()
    )
    assert "by a run, command bill/rahim/2026-02" in as_text(february, DHAKA)
    assert [each["made_with"] for each in as_values([*january, *february])] == [
        "signup/rahim",
        None,
    ]


# Terms that price alike ----------------------------------------------------------------------


def priced_by(*commands: Any, at_once: bool = False) -> dict[str, list[str]]:
    """Return the package codes that explain each priced line of Rahim, by its command.

    With `at_once` lines and commands bear one instant, as those of one batch do.
    """
    rules, accepted = play(commands)
    lines = rules.lines("rahim")
    if at_once:
        lines = [line._replace(recorded_at=STARTS_AT) for line in lines]
        accepted = [each._replace(recorded_at=STARTS_AT) for each in accepted]
    steps = [
        step
        for period in periods(lines)
        for step in explain(lines, accepted, rules.policies, period)
    ]
    return {
        step.line.command_id: [piece.package.code for piece, _ in step.pricing.pieces]
        for step in steps
        if step.pricing is not None
    }


def package(change_id: str, on: str, code: str, price: int = 100_000) -> Any:
    """A package from a day on, told on 2 January."""
    told = change(change_id, "rahim", on, prorate=True, package=Package(code, price))
    return told._replace(changed_on=date(2026, 1, 2))


def test_of_terms_that_price_alike_those_of_the_line_s_own_command_explain_it() -> None:
    told = priced_by(
        signup("rahim", "2026-01-01"),
        package("h-1", "2026-01-11", "fast", 200_000),
        package("h-2", "2026-01-11", "fibre", 200_000),
        at_once=True,
    )

    assert told["change/h-1"] == ["home", "fast"]


def test_of_terms_that_price_alike_the_last_known_before_the_line_explain_it() -> None:
    told = priced_by(
        signup("rahim", "2026-01-01"),
        package("h-1", "2026-02-01", "fast")._replace(changed_on=date(2026, 1, 20)),
        package("h-2", "2026-02-01", "fibre")._replace(changed_on=date(2026, 1, 20)),
        tick("2026-02-01"),
        package("h-3", "2026-02-01", "last"),
    )

    assert told["bill/rahim/2026-01"] == ["home"]
    assert told["bill/rahim/2026-02"] == ["fibre"]


@pytest.mark.parametrize("at_once", [False, True])
def test_a_bill_made_by_a_change_told_on_its_bill_day_has_the_terms_before_that_change(
    at_once: bool,
) -> None:
    """A change first bills what is due (docs/rules.md#change), here with no tick before it."""
    on_the_bill_day = package("h-1", "2026-02-01", "fibre")._replace(changed_on=date(2026, 2, 1))

    told = priced_by(signup("rahim", "2026-01-01"), on_the_bill_day, at_once=at_once)

    assert told == {"bill/rahim/2026-01": ["home"], "bill/rahim/2026-02": ["home"]}


def test_a_rebill_before_a_change_of_the_same_instant_has_the_terms_before_that_change() -> None:
    told = priced_by(
        BOSS,
        signup("rahim", "2026-01-01"),
        cancel("x-1", "rahim", "bill/rahim/2026-01", "2026-01-02"),
        RebillRequested("rebill/r-1", "rahim", "2026-01", date(2026, 1, 3), "boss", "a mistake"),
        package("h-1", "2026-01-01", "fibre"),
        at_once=True,
    )

    assert told["rebill/r-1"] == ["home"]
