"""The audit: silent on every honest history, and loud about any line that was tampered with."""

import random
from datetime import date, timedelta
from typing import Any

import pytest

from shared.ledger.commands import DiscountGranted, PaymentReceived, SignedUp
from shared.ledger.line import Line
from tests.support.audited import Recorded, rehashed
from tests.support.histories import history
from tests.support.playing import play_in_batches

SEEDS = range(1, 61)


@pytest.fixture(scope="module")
def played() -> dict[int, Recorded]:
    return {seed: Recorded().play(history(seed).steps) for seed in SEEDS}


def test_an_honest_history_has_no_fault(played: dict[int, Recorded]) -> None:
    for seed, rules in played.items():
        for customer_id in rules.asked:
            assert rules.fault(customer_id) is None, f"seed {seed}"


@pytest.mark.parametrize("seed", range(200, 260))
def test_an_honest_history_told_in_batches_has_no_fault(seed: int) -> None:
    """Several commands in one transaction: which terms a bill knew is found all the same."""
    rules = Recorded()
    play_in_batches(rules, history(seed, 60).steps, random.Random(seed))

    for customer_id in rules.asked:
        assert rules.fault(customer_id) is None


NOTED = ("discount_ppm", "adjusted_charge", "granted_vat", "effective_on", "reason")
"""What a line says of its command and its bill: commands and terms say it too."""
PLAIN = ("charge", "discount", "vat", "paid", "due", "previous_due", "seq", "revision")


def changed(line: Line, name: str) -> Line:
    value: Any = getattr(line, name)
    if isinstance(value, date):
        value += timedelta(days=1)
    elif name in ("actor", "reason"):
        value = f"{value} x"
    else:
        value += 1
    return line._replace(**{name: value})


@pytest.mark.parametrize(
    ("name", "forged"),
    [(name, forged) for name in (*PLAIN, *NOTED, "actor") for forged in (False, True)],
)
def test_a_line_that_was_changed_is_found(
    name: str, forged: bool, played: dict[int, Recorded]
) -> None:
    """Amounts and places are found even where the forger makes all later hashes fit."""
    for seed, rules in played.items():
        for customer_id, lines in rules.stored.items():
            at = random.Random(seed).randrange(len(lines))
            tampered = [*lines[:at], changed(lines[at], name), *lines[at + 1 :]]

            fault = rules.fault(customer_id, rehashed(tampered) if forged else tampered)

            assert fault is not None, f"seed {seed}, line {at + 1}"


def test_a_line_taken_out_of_the_middle_is_found(played: dict[int, Recorded]) -> None:
    for seed, rules in played.items():
        for customer_id, lines in rules.stored.items():
            if len(lines) > 1:
                at = random.Random(seed).randrange(len(lines) - 1)

                fault = rules.fault(customer_id, [*lines[:at], *lines[at + 1 :]])

                assert fault is not None, f"seed {seed}"
                assert fault.what == "seq"


def test_a_cascade_that_stops_halfway_is_found(played: dict[int, Recorded]) -> None:
    """The last restatement dropped: every line left is right, and the statement is not."""
    tried = 0
    for seed, rules in played.items():
        for customer_id, lines in rules.stored.items():
            if lines[-1].kind == "restatement":
                tried += 1
                assert rules.fault(customer_id, lines[:-1]) is not None, f"seed {seed}"
    assert tried > 0


def test_a_command_whose_outcome_was_changed_is_found(played: dict[int, Recorded]) -> None:
    """Refused now accepted: its line is missing. Accepted now refused: its line is there."""
    tried = 0
    for seed, rules in played.items():
        for customer_id, asked in rules.asked.items():
            for at, each in enumerate(asked):
                if isinstance(each.command, PaymentReceived | DiscountGranted):
                    other = "refused" if each.outcome == "accepted" else "accepted"
                    changed = [*asked[:at], each._replace(outcome=other), *asked[at + 1 :]]

                    assert rules.fault(customer_id, asked=changed) is not None, f"seed {seed}"
                    tried += 1
    assert tried > 100


def test_a_command_whose_content_was_changed_is_found(played: dict[int, Recorded]) -> None:
    for seed, rules in played.items():
        for customer_id, asked in rules.asked.items():
            for at, each in enumerate(asked):
                if isinstance(each.command, PaymentReceived) and each.outcome == "accepted":
                    more = each.command._replace(amount=each.command.amount + 1)
                    changed = [*asked[:at], each._replace(command=more), *asked[at + 1 :]]

                    fault = rules.fault(customer_id, asked=changed)

                    assert fault is not None, f"seed {seed}"
                    assert fault.what == "paid"


def test_a_price_that_was_changed_in_the_signup_is_found(played: dict[int, Recorded]) -> None:
    for seed, rules in played.items():
        for customer_id, asked in rules.asked.items():
            changed = list(asked)
            for at, each in enumerate(asked):
                if isinstance(each.command, SignedUp):
                    package = each.command.package._replace(price=each.command.package.price + 31)
                    command = each.command._replace(package=package)
                    changed[at] = each._replace(command=command)
            if rules.lines(customer_id):
                assert rules.fault(customer_id, asked=changed) is not None, f"seed {seed}"


def test_a_bill_that_was_taken_off_the_end_is_found(played: dict[int, Recorded]) -> None:
    """No command asked for it; the run that is done must have made it."""
    tried = 0
    for seed, rules in played.items():
        for customer_id, lines in rules.stored.items():
            last, day = lines[-1], rules.business_date
            if last.kind == "bill" and day is not None and last.coverage_from <= day:
                tried += 1
                assert rules.fault(customer_id, lines[:-1]) is not None, f"seed {seed}"
    assert tried > 0
