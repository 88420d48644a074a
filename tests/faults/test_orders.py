"""The second opinion of chaos runs: it finds an order where there is one, and only there."""

import random
from typing import Any

import pytest

from shared.ledger import commands as c
from shared.ledger.policy.policy import Policy
from tests.faults.orders import Case, disagreement
from tests.support.histories import telling
from tests.support.naive import Naive

SEEDS = (7, 8, 9, 12, 13, 14)
"""Histories in which the customer signs up and is billed."""
TRIES = 2000


def case_of(seed: int) -> tuple[Case, Policy]:
    """Play a random history of one customer under one policy; keep what a chaos run would see."""
    policy, *steps = telling(seed, size=40, customers=1).history.steps
    commands = [step for step in steps if not isinstance(step, Policy)]
    model, ticks = Naive(policy), []
    for command in commands:
        seen = command.command_id in model.contents
        outcome = model.apply(command)
        if isinstance(command, c.Ticked) and outcome.kind == "accepted" and not seen:
            ticks.append(command.as_of)
    topics: list[list[Any]] = [[], []]
    for command in commands:
        if not isinstance(command, c.Ticked):
            number = 0 if isinstance(command, c.SignedUp | c.Changed) else 1
            topics[number].append((command, command))
    about = {command.command_id for topic in topics for command, _ in topic}
    outcomes = {k: outcome for k, outcome in model.outcomes.items() if k in about}
    return Case("c-1", topics, ticks, model.lines("c-1"), outcomes, {}), policy


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_model_made_has_an_order_that_agrees(seed: int) -> None:
    case, policy = case_of(seed)
    assert disagreement(case, policy) is None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_line_that_no_order_makes_is_found(seed: int) -> None:
    case, policy = case_of(seed)
    chosen = random.Random(seed)
    at = chosen.randrange(len(case.lines))
    lines = list(case.lines)
    spoilt = chosen.choice(
        (
            [*lines[:at], lines[at]._replace(due=lines[at].due + 1), *lines[at + 1 :]],
            [*lines[:at], *lines[at + 1 :]],
            [*lines, lines[at]],
        )
    )
    assert disagreement(case._replace(lines=spoilt), policy, TRIES) is not None


@pytest.mark.parametrize("seed", SEEDS)
def test_an_outcome_that_no_order_gives_is_found(seed: int) -> None:
    case, policy = case_of(seed)
    chosen = random.Random(seed)
    command_id = chosen.choice(sorted(case.outcomes))
    outcome = case.outcomes[command_id]
    other = outcome._replace(kind="refused" if outcome.kind == "accepted" else "accepted")
    outcomes = {**case.outcomes, command_id: other}
    assert disagreement(case._replace(outcomes=outcomes), policy, TRIES) is not None
