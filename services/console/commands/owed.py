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


class Open(NamedTuple):
    """A period that is not settled: amounts in minor units. Paying `pay_in_all` settles it and all
    before it; the customer is then served until `served_until`, which is excluded."""

    period: str
    asked_on: date
    billed: int
    paid: int
    open: int
    pay_in_all: int
    served_until: date


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


def as_values(who: Any, items: Sequence[Open]) -> dict[str, Any]:
    """Return the same as plain values, for a program."""
    return {
        "customer_id": who["customer_id"],
        "due": who["due"],
        "status": who["status"],
        "vip": who["vip"],
        "served_until": who["expires_on"],
        "waiting": who["waiting"],
        "open": [{**each._asdict(), **_amounts(each)} for each in items],
    }


def _amounts(each: Open) -> dict[str, str]:
    names = ("billed", "paid", "open", "pay_in_all")
    return {name: decimal(getattr(each, name)) for name in names}


def show(who: Any, items: Sequence[Open], opening_open: int) -> None:
    """Print it for a person."""
    click.echo(heading(who))
    if who["due"] > 0:
        click.echo(f"owes {who['due']}")
    else:
        click.echo(f"owes nothing, has {-who['due']} to their credit")
    if who["waiting"]:
        click.echo(f"{who['waiting']} waits for a first period")
    if opening_open:
        click.echo(f"{decimal(opening_open)} of it was owed before the first period")
    if items:
        rows = [
            (each.period, each.asked_on, *_amounts(each).values(), each.served_until)
            for each in items
        ]
        print_table(HEADS, rows)
    if who["vip"]:
        click.echo("a VIP: served without end")
