"""Values that options take: days, instants, seconds and numbers."""

import math
from datetime import UTC, date, datetime
from typing import Any

import click


NUMBER_MAX = 2**31 - 1
"""The greatest number that the book can store as a version or an incarnation."""
LIMIT = click.IntRange(1, 1_000_000)


class Day(click.ParamType):
    """A day that an event may name."""

    name = "date"

    def convert(self, value: Any, param: Any, context: Any) -> date:
        if isinstance(value, date):
            return value
        try:
            day = datetime.strptime(value, "%Y-%m-%d").date()  # noqa: DTZ007 - a day, no instant
        except ValueError:
            self.fail(f"{value!r} is not a day like 2026-02-01", param, context)
        if not 2000 <= day.year <= 2199:
            self.fail(f"{value} lies outside 2000-01-01 to 2199-12-31", param, context)
        return day


class Instant(click.ParamType):
    """An RFC 3339 timestamp with an offset."""

    name = "timestamp"

    def convert(self, value: Any, param: Any, context: Any) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not like 2026-02-01T09:00:00+06:00", param, context)
        if moment.tzinfo is None:
            like = moment.isoformat(timespec="seconds") + "+06:00"
            self.fail(f"{value!r} has no offset: write {like} or so", param, context)
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            self.fail(f"{value!r} lies outside the years 1 to 9999", param, context)


class Seconds(click.FloatRange):
    """How long to wait: more than 0."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)

    def convert(self, value: Any, param: Any, context: Any) -> float:
        seconds: float = super().convert(value, param, context)
        if math.isnan(seconds):  # less than nothing and more than nothing
            self.fail(f"{value!r} is not a number of seconds", param, context)
        return seconds
