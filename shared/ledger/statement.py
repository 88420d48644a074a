"""What a customer is asked for: open items, the amount to pay, until when they are served.

Money settles the opening due first, then the periods oldest first, in both modes; the mode only
decides how much is asked for (docs/rules.md#asked-for). Amounts are minor units.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from shared.ledger.line import Line


class Item(NamedTuple):
    """One period as an invoice: what it bills, what money settled of it, what is still open.

    `amount` may be below zero; then `paid` and `open` are 0. `status` is paid, partial, open,
    cancelled or nothing_due.
    """

    period: str
    amount: int
    paid: int
    open: int
    status: str


class Aging(NamedTuple):
    """What a customer owes by how long it has been asked for, and their credit; minor units. The
    buckets less the credit are the total due. `not_yet`: the asked-for day lies ahead, or there was
    no tick yet."""

    credit: int
    not_yet: int
    days_0_30: int
    days_31_60: int
    days_61_90: int
    days_over_90: int


class Statement(NamedTuple):
    """A customer's periods, oldest first, as their latest lines, and what was due before them."""

    periods: Sequence[Line]
    opening_due: int = 0

    @property
    def due(self) -> int:
        """The total due; below zero it is credit."""
        return self.periods[-1].due if self.periods else self.opening_due

    @property
    def money(self) -> int:
        """The money that settles what is due: payments, bills below zero and opening credit."""
        came_in = sum(line.paid + max(0, -line.billed) for line in self.periods)
        return max(0, came_in + max(0, -self.opening_due))

    @property
    def opening_open(self) -> int:
        """The part of the opening due that is not settled."""
        return max(0, max(0, self.opening_due) - self.money)

    def items(self) -> Iterator[Item]:
        """Yield each period as an invoice, oldest first."""
        left = max(0, self.money - max(0, self.opening_due))
        for line in self.periods:
            asked = max(0, line.billed)
            paid = min(left, asked)
            left -= paid
            yield Item(line.period, line.billed, paid, asked - paid, _status(line, paid))

    def amount_to_pay(self, item: Item, mode: str) -> int:
        """Return what an invoice asks for: all that is due, or in `monthly` mode its open part."""
        return item.open if mode == "monthly" else max(0, self.due)

    def open_since(self) -> date | None:
        """Return the day on which the oldest period not fully paid was asked for, None when all is
        paid. While opening due is open it is the first period's."""
        if self.opening_open and self.periods:
            return self.periods[0].asked_on
        for line, item in zip(self.periods, self.items(), strict=True):
            if item.open:
                return line.asked_on
        return None

    def aging(self, business_date: date | None) -> Aging:
        """Return what is open by age. What is due beyond the open items, opening due among it,
        counts from the day on which the first period is asked for."""
        ages = [0] * (len(AGES) + 2)
        beyond = max(0, self.due)
        for line, item in zip(self.periods, self.items(), strict=True):
            ages[_age(line.asked_on, business_date)] += item.open
            beyond -= item.open
        first = self.periods[0].asked_on if self.periods else None
        ages[_age(first, business_date)] += beyond
        return Aging(max(0, -self.due), *ages)

    def expires_on(self, grace_days: int, grace_until: date | None = None) -> date | None:
        """Return the first day on which the customer is no longer served, no earlier than
        `grace_until`; None with no period yet. VIPs are served for ever; the caller checks that."""
        if not self.periods:
            return None
        day = self.open_since() or self.periods[-1].coverage_to
        return max(day + timedelta(days=grace_days), grace_until or date.min)


AGES = (30, 60, 90)
"""The last day of each bucket of `Aging` but the last."""


def _age(day: date | None, business_date: date | None) -> int:
    """Return the place among `not_yet` and the buckets after it."""
    if day is None or business_date is None or day > business_date:
        return 0
    return 1 + sum((business_date - day).days > last for last in AGES)


def newest_open(billed: int, due: int) -> int:
    """Return the open part of the newest period, given its `billed` and `due`: money settles the
    oldest first, so the newest bill is the last to be settled."""
    return min(max(0, billed), max(0, due))


def _status(line: Line, paid: int) -> str:
    if line.billed <= 0:
        return "cancelled" if line.cancelled else "nothing_due"
    if paid == line.billed:
        return "paid"
    return "partial" if paid else "open"
