"""`explain CUSTOMER`: what is owed for what, until when they are served, what to pay for more."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

import click

from shared.ledger.line import Line
from shared.ledger.money import decimal
from shared.ledger.statement import Statement
from shared.operator.printing import print_table
from shared.operator.statements import heading

HEADS = ("period", "asked for on", "billed", "paid", "open", "pay in all", "then expires on")


OPENING = "opening due"


class Open(NamedTuple):
    """A period that is not settled, or what was owed before the first one: amounts in minor units.
    Paying `pay_in_all` settles it and all before it; the customer is then served until
    `served_until`, which is excluded. Both days are None while there is no period."""

    period: str
    asked_on: date | None
    billed: int
    paid: int
    open: int
    pay_in_all: int
    served_until: date | None


def open_items(
    periods: Sequence[Line], opening_due: int, grace_days: int, grace_until: date | None = None
) -> list[Open]:
    """Return what is not settled, oldest first. What was owed before the first period is settled
    with it, and counts in `pay_in_all`."""
    statement = Statement(periods, opening_due)
    unpaid = [
        (line, item) for line, item in zip(periods, statement.items(), strict=True) if item.open
    ]
    found: list[Open] = []
    pay = statement.opening_open
    for at, (line, item) in enumerate(unpaid):
        pay += item.open
        later = unpaid[at + 1][0].asked_on if at + 1 < len(unpaid) else periods[-1].coverage_to
        until = max(later + timedelta(days=grace_days), grace_until or date.min)
        found.append(
            Open(item.period, line.asked_on, item.amount, item.paid, item.open, pay, until)
        )
    return found


def opening_item(
    periods: Sequence[Line],
    opening_due: int,
    grace_days: int,
    grace_until: date | None = None,
) -> Open | None:
    """Return what is not settled of what was owed before the first period; None where it is all.
    It is asked for with that period, which keeps its day until it is settled too."""
    statement = Statement(periods, opening_due)
    left = statement.opening_open
    if not left:
        return None
    asked_on = periods[0].asked_on if periods else None
    unpaid = (line for line, item in zip(periods, statement.items(), strict=True) if item.open)
    later = next((line.asked_on for line in unpaid), periods[-1].coverage_to if periods else None)
    until = later and max(later + timedelta(days=grace_days), grace_until or date.min)
    return Open(OPENING, asked_on, opening_due, opening_due - left, left, left, until)


def as_values(who: Any, items: Sequence[Open], opening: Open | None) -> dict[str, Any]:
    """Return the same as plain values, for a program."""
    return {
        "customer_id": who["customer_id"],
        "due": who["due"],
        "status": who["status"],
        "vip": who["vip"],
        "served_until": who["expires_on"],
        "waiting": who["waiting"],
        "opening_due_open": decimal(opening.open if opening else 0),
        "open": [{**each._asdict(), **_amounts(each)} for each in items],
    }


def _amounts(each: Open) -> dict[str, str]:
    names = ("billed", "paid", "open", "pay_in_all")
    return {name: decimal(getattr(each, name)) for name in names}


def show(who: Any, items: Sequence[Open], opening: Open | None) -> None:
    """Print it for a person."""
    click.echo(heading(who))
    if who["due"] > 0:
        click.echo(f"owes {who['due']}")
    else:
        click.echo(f"owes nothing, has {-who['due']} to their credit")
    if who["waiting"]:
        click.echo(f"{who['waiting']} waits for a first period")
    rows = [
        (each.period, each.asked_on, *_amounts(each).values(), each.served_until)
        for each in ([] if opening is None else [opening]) + list(items)
    ]
    if rows:
        print_table(HEADS, rows)
    if who["vip"]:
        click.echo("a VIP: served without end")
