"""The audit: silent on every honest history, and loud about any line that was tampered with."""

import random
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest

from shared.ledger.audit import Audit, Fault
from shared.ledger.line import GENESIS, Line, chained
from tests.support.histories import history
from tests.support.playing import play
from tests.support.rules import Rules

SEEDS = range(1, 61)


def audited(rules: Rules, customer_id: str, lines: Sequence[Line]) -> Fault | None:
    account = rules.accounts[customer_id]
    audit = Audit(rules.policies, account.bill_from, account.opening_due)
    for line in lines:
        fault = audit.fault(line)
        if fault is not None:
            return fault
    return audit.end()


def rehashed(lines: Sequence[Line]) -> list[Line]:
    """Return the lines with hashes that fit: what a forger who knows the form would write."""
    made: list[Line] = []
    previous = GENESIS
    for line in lines:
        previous = chained(line, previous)
        made.append(line._replace(hash=previous))
    return made


@pytest.fixture(scope="module")
def played() -> dict[int, Rules]:
    return {seed: play(history(seed).steps) for seed in SEEDS}


def test_an_honest_history_has_no_fault(played: dict[int, Rules]) -> None:
    for seed, rules in played.items():
        for customer_id, lines in rules.stored.items():
            assert audited(rules, customer_id, lines) is None, f"seed {seed}"


HASH_ALONE = ("discount_ppm", "adjusted_charge", "granted_vat", "effective_on", "actor", "reason")
"""What a line only notes, or multiplies with what may be nothing: the hash holds these."""
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
    [*((name, False) for name in (*PLAIN, *HASH_ALONE)), *((name, True) for name in PLAIN)],
)
def test_a_line_that_was_changed_is_found(
    name: str, forged: bool, played: dict[int, Rules]
) -> None:
    """Amounts and places are found even where the forger makes all later hashes fit."""
    for seed, rules in played.items():
        for customer_id, lines in rules.stored.items():
            at = random.Random(seed).randrange(len(lines))
            tampered = [*lines[:at], changed(lines[at], name), *lines[at + 1 :]]

            fault = audited(rules, customer_id, rehashed(tampered) if forged else tampered)

            assert fault is not None, f"seed {seed}, line {at + 1}"


def test_a_line_taken_out_of_the_middle_is_found(played: dict[int, Rules]) -> None:
    for seed, rules in played.items():
        for customer_id, lines in rules.stored.items():
            if len(lines) > 1:
                at = random.Random(seed).randrange(len(lines) - 1)

                fault = audited(rules, customer_id, [*lines[:at], *lines[at + 1 :]])

                assert fault is not None, f"seed {seed}"
                assert fault.what == "seq"


def test_a_cascade_that_stops_halfway_is_found(played: dict[int, Rules]) -> None:
    """The last restatement dropped: every line left is right, and the statement is not."""
    tried = 0
    for seed, rules in played.items():
        for customer_id, lines in rules.stored.items():
            if lines[-1].kind == "restatement":
                tried += 1
                assert audited(rules, customer_id, lines[:-1]) is not None, f"seed {seed}"
    assert tried > 0
