"""Months and days: labels, anchors, cycles. Days are half open, [from, to)."""

from collections.abc import Iterator
from datetime import date
from functools import lru_cache

DAYS_IN_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def days_in_month(year: int, month: int) -> int:
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if leap else DAYS_IN_MONTH[month - 1]


@lru_cache(maxsize=4096)
def label_of(day: date) -> str:
    """Return the label of the month that a day lies in: "2026-01"."""
    return f"{day.year:04d}-{day.month:02d}"


@lru_cache(maxsize=4096)
def months_after(label: str, months: int) -> str:
    """Return the label so many months later (earlier when negative)."""
    count = int(label[:4]) * 12 + int(label[5:]) - 1 + months
    return f"{count // 12:04d}-{count % 12 + 1:02d}"


def months_between(earlier: str, later: str) -> int:
    return (int(later[:4]) - int(earlier[:4])) * 12 + int(later[5:]) - int(earlier[5:])


@lru_cache(maxsize=8192)
def anchor_in(label: str, anchor: int) -> date:
    """Return the anchor's day in a month, clamped to the month's length.

    Always from the stored day: 31 gives 31 January, 28 February, 31 March (docs/rules.md#cycles).
    """
    year, month = int(label[:4]), int(label[5:])
    return date(year, month, min(anchor, days_in_month(year, month)))


def cycles(start: date, end: date, anchor: int) -> Iterator[tuple[date, date]]:
    """Yield the cycles [anchor day, next anchor day) that overlap [start, end), in order."""
    label = label_of(start)
    if anchor_in(label, anchor) > start:
        label = months_after(label, -1)
    opens = anchor_in(label, anchor)
    while opens < end:
        label = months_after(label, 1)
        closes = anchor_in(label, anchor)
        yield opens, closes
        opens = closes
