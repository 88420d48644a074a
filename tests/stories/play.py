"""Plays a story on an engine and compares the books, line by line of the story."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Protocol

from shared.ledger.money import decimal
from shared.ledger.policy.policy import Policy
from tests.stories.grammar import Books, Story, Told

COLUMNS = {"previous": "previous_due", "ask": "amount_to_pay"}


class Engine(Protocol):
    """What a story needs of whatever it is played on: the naive model, the rules, a fleet.

    An outcome has `kind` (accepted, refused, parked, duplicate) and `reason`; rows have the
    columns of report.ledger as attributes, amounts in minor units.
    """

    def apply(self, command: Any) -> Any: ...

    def apply_policy(self, policy: Policy) -> None: ...

    def statement(self, customer_id: str) -> Sequence[Any]: ...

    def lines(self, customer_id: str) -> Sequence[Any]: ...

    def invoices(self, customer_id: str, mode: str | None) -> Sequence[Any]: ...

    def expires_on(self, customer_id: str) -> date | None: ...


def play(story: Story, engine: Engine) -> None:
    """Tell the engine the story; AssertionError names the line where the books differ."""
    for step in story.steps:
        if isinstance(step, Policy):
            engine.apply_policy(step)
        elif isinstance(step, Told):
            outcome = engine.apply(step.command)
            said = " ".join(filter(None, (outcome.kind, outcome.reason)))
            assert said == step.outcome, f"{story.name}, line {step.line}: {said}"
        else:
            said_of = f"{story.name}, line {step.line}"
            actual, expected = _said(engine, step), _expected(step)
            assert actual == expected, f"{said_of}: the books say\n{actual}\n, not\n{expected}"


def _expected(books: Books) -> str:
    if books.report == "expires":
        return str(books.day)
    return "\n".join(_text(row) for row in books.rows)


def _said(engine: Engine, books: Books) -> str:
    """Write what the engine's books say, in the columns that the story names."""
    if books.report == "expires":
        return str(engine.expires_on(books.customer_id))
    if books.report == "invoices":
        rows = engine.invoices(books.customer_id, books.mode)
    else:
        rows = getattr(engine, books.report)(books.customer_id)
    wanted = [row.keys() for row in books.rows] + [["period"]] * len(rows)
    return "\n".join(
        _text({column: _column(row, column) for column in columns})
        for row, columns in zip(rows, wanted, strict=False)
    )


def _column(row: Any, column: str) -> str:
    if column == "covers":
        return f"{row.coverage_from}..{row.coverage_to}"
    if column == "standing":
        return "yes" if row.standing else "no"
    value = getattr(row, COLUMNS.get(column, column))
    return (
        str(value) if column in {"seq", "revision", "period", "kind", "status"} else _money(value)
    )


def _money(value: Any) -> str:
    return decimal(value) if isinstance(value, int) else str(value)


def _text(row: dict[str, str]) -> str:
    return "   ".join(f"{column} {value}" for column, value in row.items())
