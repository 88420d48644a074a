"""The worked examples come out to the last digit, of the rules and the naive model."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from shared.ledger.money import decimal
from shared.ledger.policy.policy import Policy
from tests.support.examples import BESIDE, COPIED, Example, examples
from tests.support.naive import Naive
from tests.support.naive_views import expires_on
from tests.support.rules import Rules, StoredRules

ENGINES: dict[str, Callable[[Policy], Any]] = {
    "naive": Naive,
    "rules": Rules,
    "rules as stored": StoredRules,
}
EXAMPLES = examples()


def test_the_examples_are_numbered_without_a_gap() -> None:
    assert [example.name[:2] for example in EXAMPLES] == [f"{n:02}" for n in range(1, 41)]


@pytest.mark.skipif(not BESIDE.is_dir(), reason="a clone that stands alone")
def test_the_copied_examples_are_those_beside_the_repository() -> None:
    for path in COPIED.glob("*.json"):
        assert path.read_bytes() == (BESIDE / path.name).read_bytes()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example_comes_out(example: Example, engine: str) -> None:
    fleet = ENGINES[engine](example.policy)

    outcomes = [fleet.apply(event.command, event.content) for event in example.events]

    assert [(o.kind, o.reason) for o in outcomes] == [
        (event.outcome, event.reason) for event in example.events
    ]
    for customer_id, expected in example.statements.items():
        assert [_written(row, expected[0]) for row in fleet.statement(customer_id)] == expected
    for customer_id, expected in example.lines.items():
        assert [_written(line, expected[0]) for line in fleet.lines(customer_id)] == expected
    for customer_id, day in example.expires_on.items():
        found = _expires_on(fleet, customer_id)
        assert (None if found is None else str(found)) == day


def _expires_on(fleet: Any, customer_id: str) -> date | None:
    if isinstance(fleet, Naive):
        return expires_on(fleet, customer_id)
    day: date | None = fleet.expires_on(customer_id)
    return day


def _written(row: Any, like: dict[str, Any]) -> dict[str, Any]:
    """Write the fields of a row or line that an expected one has, as the files write them."""
    plain = {"seq", "revision"}
    money = {"previous_due", "charge", "discount", "vat", "billed", "paid", "due"}
    return {
        key: decimal(value) if key in money else value if key in plain else str(value)
        for key, value in ((key, getattr(row, key)) for key in like)
    }
