"""What a coverage costs: exact proration by day, rounded once (docs/rules.md#proration)."""

from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import NamedTuple

from shared.ledger.line import Line
from shared.ledger.money import round_half_up, share
from shared.ledger.period import anchor_in, cycles, label_of, months_after
from shared.ledger.policy.policy import Policy
from shared.ledger.policy.prices import NO_PRICES, PriceList
from shared.ledger.terms import Extras, Package, Terms, value_on

CYCLE_DAYS_LCM = 377_580
"""The least common multiple of 28, 29, 30 and 31, the lengths that a cycle can have."""
PRICED_MAX = 256
"""How many priced bills one `Terms` remembers."""


class Piece(NamedTuple):
    """Consecutive days of a coverage, [starts, ends), that cost the same each: `price` is what a
    whole cycle of such days costs, package and extras (minor units)."""

    starts: date
    ends: date
    cycle_days: int
    package: Package
    extras: Extras
    status: str
    price: int

    @property
    def days(self) -> int:
        return (self.ends - self.starts).days


class Bill(NamedTuple):
    """A priced coverage [.., coverage_to) with the terms frozen in it; minor units."""

    coverage_to: date
    anchor_day: int
    discount_ppm: int
    vat_exempt: bool
    active: bool
    charge: int
    discount: int
    vat: int

    @property
    def billed(self) -> int:
        return self.charge - self.discount + self.vat


def pieces(
    terms: Terms, starts: date, ends: date, anchor: int, prices: PriceList = NO_PRICES
) -> Iterator[Piece]:
    """Cut [starts, ends) wherever the cycle, the package, an extra, a price or the status
    changes."""
    cuts = {day for line in (terms.package, terms.extras, terms.status) for day, _ in line}
    cuts.update(_price_changes(terms, prices))
    for opens, closes in cycles(starts, ends, anchor):
        first, last = max(opens, starts), min(closes, ends)
        days = [first, *sorted(day for day in cuts if first < day < last), last]
        for day, until in pairwise(days):
            package, extras = value_on(terms.package, day), value_on(terms.extras, day)
            status = value_on(terms.status, day)
            # A day that is not active costs nothing, whether or not its price is known.
            price = cycle_price(package, extras, prices, day) if status == "active" else 0
            yield Piece(day, until, (closes - opens).days, package, extras, status, price)


def cycle_price(package: Package, extras: Extras, prices: PriceList, day: date) -> int:
    """Return the price of a day, by the cycle: the package's and quantity times each extra's, own
    ones first, else those of the price list (docs/rules.md#proration). Unpriced where neither
    has one."""
    total = prices.on(package.code, day) if package.price is None else package.price
    for code, price, quantity in extras:
        total += quantity * (prices.on(code, day) if price is None else price)
    return total


def _price_changes(terms: Terms, prices: PriceList) -> Iterator[date]:
    if prices:
        sold = [package for _, package in terms.package]
        sold += [Package(code, price) for _, each in terms.extras for code, price, _ in each]
        for code, price in sold:
            if price is None and code in prices:
                yield from prices.days(code)


def charge(
    terms: Terms, starts: date, ends: date, anchor: int, prices: PriceList = NO_PRICES
) -> tuple[int, bool]:
    """Return what the active days of [starts, ends) cost, and whether there are any.

    The sum of price / days in the cycle over the active days, rounded once (minor units).
    """
    exact = 0
    active = False
    for piece in pieces(terms, starts, ends, anchor, prices):
        if piece.status == "active":
            active = True
            exact += piece.price * piece.days * (CYCLE_DAYS_LCM // piece.cycle_days)
    return round_half_up(exact, CYCLE_DAYS_LCM), active


def coverage_end(terms: Terms, starts: date) -> date:
    """Return the end of the coverage that starts on a day: the next month's anchor day."""
    anchor = value_on(terms.cycle, starts).day
    return anchor_in(months_after(label_of(starts), 1), anchor)


def new_bill(terms: Terms, starts: date, policy: Policy, ends: date | None = None) -> Bill:
    """Price the bill whose coverage starts on a day, under the terms and policy known now.

    `ends` is where a bill-up-to ends the coverage; without it the cycle decides. Equal prices
    under the same terms are computed once: tens of thousands of customers share a package, so
    a bill run prices it once for all of them.
    """
    key = (starts, ends, policy.taxes, policy.price_list)
    bill: Bill | None = terms.priced.get(key)
    if bill is None:
        bill = price(
            terms,
            starts,
            ends or coverage_end(terms, starts),
            value_on(terms.cycle, starts).day,
            policy,
        )
        if len(terms.priced) >= PRICED_MAX:
            terms.priced.clear()
        terms.priced[key] = bill
    return bill


def price(terms: Terms, starts: date, ends: date, anchor: int, policy: Policy) -> Bill:
    """Price [starts, ends) with percent, exemption and rates of its first day."""
    return _bill(
        terms,
        starts,
        ends,
        anchor,
        value_on(terms.discount_ppm, starts),
        value_on(terms.vat_exempt, starts),
        policy,
    )


def reprice(terms: Terms, line: Line, policy: Policy, ends: date | None = None) -> Bill:
    """Price a period's recurring part again, with the rates, percent and anchor frozen in it.

    `policy` is the version that the bill names; `ends` extends the coverage (docs/rules.md#vat).
    """
    return _bill(
        terms,
        line.coverage_from,
        ends or line.coverage_to,
        line.anchor_day,
        line.discount_ppm,
        line.vat_exempt,
        policy,
    )


def _bill(
    terms: Terms, starts: date, ends: date, anchor: int, ppm: int, exempt: bool, policy: Policy
) -> Bill:
    gross, active = charge(terms, starts, ends, anchor, policy.price_list)
    discount = share(gross, ppm)
    vat = policy.vat(gross - discount, starts, exempt)
    return Bill(ends, anchor, ppm, exempt, active, gross, discount, vat)
