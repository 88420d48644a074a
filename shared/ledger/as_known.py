"""A customer as they were known at an instant: terms, money and planned changes, from their rows.

The book keeps terms as they are now. What they were is found by replaying the signup and the
changes that were written by then, on the lines that were written by then.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from shared.ledger.account import DATED, Account
from shared.ledger.commands import (
    BillUpToSet,
    CancellationRequested,
    Changed,
    PaymentReceived,
    RefundMade,
    SignedUp,
)
from shared.ledger.explain import Accepted, heads, lines_before
from shared.ledger.handlers.bills import move_anchor
from shared.ledger.handlers.customers import open_account, take_terms
from shared.ledger.line import Line
from shared.ledger.statement import Statement
from shared.ledger.terms import value_on


class Money(NamedTuple):
    """Money that came in, or went out (below zero): minor units, and the local day of it. A payment
    has its method, channel and reference; `cancelled` says that it was taken back."""

    command_id: str
    day: date
    amount: int
    method: str | None
    channel: str | None
    reference: str | None
    cancelled: bool


class Planned(NamedTuple):
    """A change that was agreed and lies ahead: from `day` on, `field` is `value`."""

    day: date
    field: str
    value: Any


def account_known(lines: Sequence[Line], accepted: Sequence[Accepted]) -> Account | None:
    """Return the account that a customer's lines and accepted commands make, with the latest line
    of each period; None where no signup is among them. Both are in the order of the book."""
    account: Account | None = None
    for number, (command, _) in enumerate(accepted):
        if isinstance(command, SignedUp):
            account = open_account(command)
        elif account is not None:
            if isinstance(command, Changed):
                status = account.terms.status
                account.periods = heads(lines_before(lines, accepted, number, status))
                take_terms(account, command)
            elif isinstance(command, BillUpToSet):
                move_anchor(account, command.up_to + timedelta(days=1))
    if account is not None:
        account.periods = heads(lines)
    return account


def as_customer(account: Account, day: date, grace_days: int) -> dict[str, Any]:
    """Return what report.customer shows of an account on a business date (date.min before the first
    tick), as far as a statement's heading needs it."""
    terms, contact = account.terms, account.contact
    assert contact is not None
    cycle, vip = value_on(terms.cycle, day), value_on(terms.vip, day)
    status = value_on(terms.shown, day)
    statement = Statement(account.periods, account.opening_due)
    return {
        "customer_id": account.customer_id,
        "name": value_on(contact.name, day),
        "phone": value_on(contact.phone, day),
        "mode": value_on(terms.mode, day),
        "cycle_kind": cycle.kind,
        "cycle_day": cycle.day,
        "vip": vip,
        "status": "pending" if status == "active" and not account.periods else status,
        "billed_through": account.billed_through,
        "expires_on": None if vip else statement.expires_on(grace_days, contact.grace_until),
    }


def money_of(lines: Iterable[Line], accepted: Iterable[Accepted]) -> list[Money]:
    """Return a customer's payments and refunds by day, those of one day as they were applied."""
    moved: list[PaymentReceived | RefundMade] = []
    targets: dict[str, str] = {}
    for command, _ in accepted:
        if isinstance(command, PaymentReceived | RefundMade):
            moved.append(command)
        elif isinstance(command, CancellationRequested):
            targets[command.command_id] = command.cancels
    taken_back = set()
    for line in lines:
        if line.kind != "reversal" or line.reverses is None:
            continue
        if line.reverses in targets:  # the undo of a cancellation
            taken_back.discard(targets[line.reverses])
        else:
            taken_back.add(line.reverses)
    found = [_money(command, command.command_id in taken_back) for command in moved]
    return sorted(found, key=lambda each: each.day)


def planned(account: Account, day: date) -> list[Planned]:
    """Return the changes that lie after a business date, by day."""
    return sorted(_planned(account, day), key=lambda change: change.day)


def _planned(account: Account, day: date) -> Iterator[Planned]:
    terms, contact = account.terms, account.contact
    timelines = {
        "package": terms.package,
        "extras": terms.extras,
        "status": terms.shown,
        "cycle": terms.cycle,
        "mode": terms.mode,
        "vip": terms.vip,
        "discount_percent": terms.discount_ppm,
        "vat_exempt": terms.vat_exempt,
        **{name: getattr(contact, name) for name in DATED},
    }
    for name, timeline in timelines.items():
        before = value_on(timeline, day)
        for start, value in timeline:
            if start > day and value != before:
                yield Planned(start, name, value)
                before = value


def _money(command: PaymentReceived | RefundMade, cancelled: bool) -> Money:
    name, amount = command.command_id, command.amount
    if isinstance(command, RefundMade):
        return Money(name, command.refunded_on, -amount, None, None, None, cancelled)
    how = (command.method, command.channel, command.reference)
    return Money(name, command.received_on, amount, *how, cancelled)
