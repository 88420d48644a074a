"""Explanations: the terms found again give every charge of every history."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from textwrap import dedent
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.console.story import as_values, told
from shared.ledger.explain import PRICED, Accepted, explain
from shared.ledger.line import Line
from shared.ledger.policy import Policy
from tests.stories.grammar import Told, understood
from tests.support.histories import history
from tests.support.rules import STARTS_AT, Rules

SEEDS = range(1, 61)
DHAKA = ZoneInfo("Asia/Dhaka")


def play(steps: Sequence[Any]) -> tuple[Rules, list[Accepted]]:
    """Play steps one by one; return the rules and the accepted commands as they took effect."""
    rules, accepted = Rules(), dict[str, Accepted]()
    # Of two with one command id the first counts; the other is a duplicate or a conflict.
    commands = {each.command_id: each for each in reversed(steps) if not isinstance(each, Policy)}
    for step in steps:
        if isinstance(step, Policy):
            rules.apply_policy(step)
            continue
        rules.apply(step)
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
            assert told(steps, DHAKA)
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

    said = told(found, DHAKA)
    assert "refund: 60.00 paid back of payment/p1\n" in said
    assert "refund: 10.00 paid back of the credit\n" in said
    assert [each["payment_id"] for each in as_values(found) if each["kind"] == "refund"] == [
        "p1",
        None,
    ]
