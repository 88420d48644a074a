"""Double entry: what each line moves between accounts, minor units, debits above zero.

Each line is one balanced entry: the receivable of the customer against income, each tax
payable, discounts allowed, and cash by method. A refund never takes more from a cash account than
the customer paid into it.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from shared.ledger.line import Line
from shared.ledger.policy.policy import Policy
from shared.ledger.taxes import Parts, adjustment_parts, recurring_parts

RECEIVABLE, INCOME = "assets:receivable", "income:service"
DISCOUNTS, OPENING = "expenses:discounts", "equity:opening"
TAX, CASH = "liabilities:tax", "assets:cash"
UNKNOWN = "unknown"
"""The method where the payment is not in the book, because somebody tampered with it."""

Money = Counter[str]
"""Amounts by account, minor units; entries of 0 do not matter."""
Taxes = Counter[str]
"""Tax by code, minor units; entries of 0 do not matter."""


class Entry(NamedTuple):
    """One transaction. `postings` add up to 0."""

    day: date
    what: str
    postings: Mapping[str, int]


class Entries:
    """Makes one customer's entries from their lines in the order of seq."""

    def __init__(self, policies: Mapping[int, Policy], customer_id: str) -> None:
        self._policies = policies
        self._receivable = f"{RECEIVABLE}:{customer_id}"
        self._heads: dict[str, Line] = {}
        self._taxes: dict[str, Taxes] = {}
        """The tax that each period holds."""
        self._adjusted: dict[str, Taxes] = {}
        """The part of it that came from adjustments."""
        self._moved: dict[str, Taxes] = {}
        """The tax that each adjustment, and each reversal of one, moved."""
        self._money: dict[str, Money] = {}
        """What each command moved, by cash account."""
        self._held: Money = Counter()
        """What each cash account holds of the customer's money, the last paid into at the end."""

    def opening(self, day: date, due: int) -> Entry:
        return Entry(day, "opening due", {self._receivable: due, OPENING: -due})

    def of(self, line: Line, method: str | None, payment_id: str | None) -> Entry | None:
        """Return the entry of a line; None where it moves no money between accounts.

        `method` is that of a payment, `payment_id` the payment that a refund names.
        """
        before = self._heads.get(line.period)
        self._heads[line.period] = line
        if line.kind == "restatement":
            return None
        zero = line._replace(charge=0, discount=0, vat=0, paid=0, adjusted_vat=0, granted_vat=0)
        was = before or zero._replace(standing=False)
        postings = Counter({
            self._receivable: line.billed - line.paid - was.billed + was.paid,
            INCOME: was.charge - line.charge,
            DISCOUNTS: line.discount - was.discount,
        })  # fmt: skip
        taxes = self._tax(line, was)
        for code, amount in taxes.items():
            postings[f"{TAX}:{code}"] -= amount
        if line.paid != was.paid:
            _add(postings, self._cash(line, line.paid - was.paid, method, payment_id))
        assert sum(postings.values()) == 0, line
        moved = {account: amount for account, amount in postings.items() if amount}
        what = f"{line.kind} {line.period}"
        of = f"payment/{payment_id}" if payment_id is not None else line.reverses
        what += f" of {of}" if of else ""
        return Entry(line.effective_on, what, moved) if moved else None

    def _cash(self, line: Line, paid: int, method: str | None, payment_id: str | None) -> Money:
        """Return what a line moves on each cash account; it adds up to the change of `paid`.

        A refund of a payment comes from the account that the payment went into. A refund of
        credit comes from the accounts that hold the customer's money, the last paid into first,
        and what exceeds them from the opening credit. A reversal moves the opposite of what it
        reverses.
        """
        target = line.reverses if payment_id is None else f"payment/{payment_id}"
        if line.kind == "payment":
            moved = Money({f"{CASH}:{method or UNKNOWN}": paid})
        elif line.kind == "refund" and payment_id is None:
            moved = self._out_of_credit(-paid)
        elif target in self._money and line.kind == "refund":
            moved = Money(dict.fromkeys(self._money[target], paid))
        elif target in self._money:
            moved = Money({account: -amount for account, amount in self._money[target].items()})
        else:
            moved = Money({f"{CASH}:{UNKNOWN}": paid})
        self._money[line.command_id] = moved
        for account, amount in moved.items():
            if account.startswith(CASH):
                held = self._held.pop(account, 0) if amount > 0 else self._held[account]
                self._held[account] = held + amount
        return moved

    def _out_of_credit(self, amount: int) -> Money:
        moved: Money = Counter()
        for account in reversed(list(self._held)):
            taken = min(amount, max(0, self._held[account]))
            amount -= taken
            moved[account] = -taken
        moved[OPENING] -= amount
        return Money({account: taken for account, taken in moved.items() if taken})

    def _tax(self, line: Line, was: Line) -> Taxes:
        """Return what a line moves of each tax: what the period holds after it, less what it held
        before. A granted discount takes its share of each."""
        adjusted = self._adjusted.setdefault(line.period, Counter())
        target = line.reverses or ""
        if line.kind == "adjustment":
            parts = adjustment_parts(line, was, self._policies)
            self._moved[line.command_id] = _by_code(parts)
            _add(adjusted, _by_code(parts))
        elif line.kind == "reversal" and target in self._moved:
            back = Counter({code: -amount for code, amount in self._moved[target].items()})
            self._moved[line.command_id] = back
            _add(adjusted, back)
        held = _by_code(recurring_parts(line, self._policies))
        _add(held, adjusted)
        _add(held, _shared_out(-line.granted_vat, held))
        moved = Counter(held)
        moved.subtract(self._taxes.get(line.period, Counter()))
        self._taxes[line.period] = held
        return moved


def _by_code(parts: Parts) -> Taxes:
    taxes: Taxes = Counter()
    for part in parts:
        taxes[part.code] += part.amount
    return taxes


def _add(taxes: Taxes, more: Taxes) -> None:
    for code, amount in more.items():
        taxes[code] += amount


def _shared_out(amount: int, taxes: Taxes) -> Taxes:
    """Share an amount out in proportion to taxes; the largest one takes the remainder."""
    total = sum(taxes.values())
    if not amount or not total:
        return Counter()
    largest = max(taxes, key=lambda code: abs(taxes[code]))
    shares = Counter({
        code: amount * part // total for code, part in taxes.items() if code != largest
    })  # fmt: skip
    shares[largest] = amount - sum(shares.values())
    return shares
