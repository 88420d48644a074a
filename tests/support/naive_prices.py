"""The naive model's arithmetic: anchors, cycles and charges by day (docs/rules.md#proration).

Written from docs/rules.md alone and sharing no arithmetic with `shared.ledger`: it exists to
disagree. Amounts are minor units, percentages parts per million, days half open.
"""

import calendar
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from fractions import Fraction
from functools import cache

from shared.ledger.policy.policy import Policy

ONE_DAY = timedelta(days=1)


def half_up(exact: Fraction) -> int:
    """Round to a whole minor unit, halves away from zero."""
    whole = int(abs(exact) + Fraction(1, 2))
    return whole if exact >= 0 else -whole


def month_of(day: date) -> str:
    return day.isoformat()[:7]


@cache
def month_after(label: str) -> str:
    year, month = int(label[:4]), int(label[5:])
    return f"{year + month // 12:04d}-{month % 12 + 1:02d}"


def months_apart(earlier: str, later: str) -> int:
    return (int(later[:4]) - int(earlier[:4])) * 12 + int(later[5:]) - int(earlier[5:])


@cache
def anchor_day(label: str, anchor: int) -> date:
    """Return the anchor's day in a month, clamped to the month's length."""
    year, month = int(label[:4]), int(label[5:])
    return date(year, month, min(anchor, calendar.monthrange(year, month)[1]))


@cache
def days_in_cycle(day: date, anchor: int) -> int:
    """Return the length of the cycle, anchor day to anchor day, that a day lies in."""
    opens = day
    while opens != anchor_day(month_of(opens), anchor):
        opens -= ONE_DAY
    return (anchor_day(month_after(month_of(opens)), anchor) - opens).days


@cache
def days_between(starts: date, ends: date) -> tuple[date, ...]:
    return tuple(starts + timedelta(days=n) for n in range((ends - starts).days))


def charge_for(
    starts: date,
    ends: date,
    anchor: int,
    price_on: Callable[[date], int],
    active_on: Callable[[date], bool],
) -> tuple[int, int]:
    """Return (the charge of a coverage, its active days): a day's price at a time, rounded once."""
    days: Counter[tuple[int, int]] = Counter(
        (price_on(day), days_in_cycle(day, anchor))
        for day in days_between(starts, ends)
        if active_on(day)
    )
    exact = sum((Fraction(price * n, length) for (price, length), n in days.items()), Fraction())
    return half_up(exact), sum(days.values())


def listed_price(policies: list[Policy], version: int, code: str, day: date) -> int:
    """Return the price of a code on a day as a bill of a policy version reads it: of that version,
    else of the first later one that has the code, else of the last earlier one
    (docs/rules.md#price-list)."""
    has = [policy for policy in policies if code in policy.prices]
    chosen = next((policy for policy in has if policy.version >= version), has[-1])
    entries = sorted(chosen.prices.by_code[code], key=lambda entry: entry.starts)
    so_far = [entry for entry in entries if entry.starts <= day]
    return (so_far[-1] if so_far else entries[0]).amount


def percent_of(amount: int, ppm: int) -> int:
    return half_up(Fraction(amount * ppm, 1_000_000))


def vat_on(net: int, day: date, exempt: bool, policy: Policy) -> int:
    """Return the tax on a net amount: every component in force on the day, each rounded."""
    if exempt:
        return 0
    parts: dict[str, int] = {}
    for tax in policy.taxes:
        if tax.starts <= day and (tax.ends is None or day < tax.ends):
            base = net + sum(parts[code] for code in tax.on if code in parts)
            parts[tax.code] = percent_of(base, tax.rate_ppm)
    return sum(parts.values())
