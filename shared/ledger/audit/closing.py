"""What must hold after a customer's last line: nothing missing, and the account as it should be."""

from collections.abc import Container, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Any, NamedTuple

from shared.ledger.account import Account, Contact
from shared.ledger.audit.asked import Asked
from shared.ledger.audit.fault import Wrong, differs, wrong_amount
from shared.ledger.commands import BillUpToSet, Changed, SignedUp
from shared.ledger.line import Line
from shared.ledger.money import decimal
from shared.ledger.terms import FIELDS, Terms, Timeline


class Opened(NamedTuple):
    """What the book holds of an account besides its lines."""

    joined_on: date
    bill_from: date
    opening_due: int
    terms: Terms
    contact: Contact


def unanswered(
    asked: Sequence[Asked], moved: Container[str], withdrawing: Container[int]
) -> Wrong | None:
    """Find an accepted command that must have made a line and did not. `withdrawing` are the places
    of cancellations that took back what waited."""
    for at, (command, outcome, *_) in enumerate(asked):
        if at in withdrawing:
            continue
        if outcome == "accepted" and not isinstance(command, SignedUp | Changed | BillUpToSet):
            command_id = command.command_id
            if command_id not in moved:
                return f"the line of {command_id}", "missing", "there: it was accepted"
    return None


def not_cascaded(heads: Mapping[str, Line], opening_due: int) -> Wrong | None:
    """Find a period that does not open with what the one before it closed."""
    due = opening_due
    for label, head in heads.items():
        if head.previous_due != due:
            what = f"previous_due of {label}, its cascade done,"
            return what, decimal(head.previous_due), decimal(due)
        due = head.due
    return None


def account_differs(
    account: Account | None, opened: Opened | None, slack: bool = False
) -> Wrong | None:
    """Compare the account that signup and changes make with the one in the book. With slack it is
    enough that the terms say the same of each day: a change that moved nothing may have come
    before or after a bill."""
    if account is None and opened is None:
        return None
    if account is None:
        return "there", "an account without a signup", "both"
    if opened is None:
        return "there", "a signup without an account", "both"
    assert account.contact is not None
    return (
        differs("joined_on of the account", opened.joined_on, account.joined_on)
        or differs("bill_from of the account", opened.bill_from, account.bill_from)
        or wrong_amount("opening_due", opened.opening_due, account.opening_due)
        or differs(
            "terms of the account", _named(opened.terms, slack), _named(account.terms, slack)
        )
        or differs("contact", opened.contact, account.contact)
    )


def _named(terms: Terms, merged: bool) -> dict[str, Any]:
    named: dict[str, Timeline[Any]] = {name: getattr(terms, name) for name in FIELDS}
    return {name: _merged(line) for name, line in named.items()} if merged else named


def _merged(timeline: Timeline[Any]) -> Timeline[Any]:
    return timeline[:1] + tuple(
        entry for before, entry in pairwise(timeline) if entry[1] != before[1]
    )
