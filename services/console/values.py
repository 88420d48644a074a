"""Values that options take: days, instants, seconds and numbers."""

import math
import re
from datetime import UTC, date, datetime
from typing import Any

import click

from services.console.problems import Misconfigured

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


class Month(click.ParamType):
    """A month, YYYY-MM."""

    name = "month"

    def convert(self, value: Any, param: Any, context: Any) -> str:
        if re.fullmatch(r"2[01][0-9]{2}-(0[1-9]|1[0-2])", str(value), re.ASCII) is None:
            self.fail(f"{value!r} is not a month like 2026-02", param, context)
        return str(value)


class Form(click.ParamType):
    """A text whose form the fleet's own reader checks; the help names the form."""

    def __init__(self, name: str) -> None:
        self.name = name


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


CYCLE = re.compile(r"start_of_month|anniversary|custom:([0-9]{1,2})")
SOLD = re.compile(r"([^=]*[^=\s])(?:=([^=]+))?")
MANY = re.compile(r"([-+.,\d]*\d)x(.*)")


def cycle(text: str) -> dict[str, Any]:
    """Read start_of_month, anniversary or custom:DAY as an event says it."""
    found = CYCLE.fullmatch(text)
    if found is None:
        raise Misconfigured(
            f"--cycle {text!r} is not start_of_month, anniversary or custom:DAY with a day from 1"
            " to 31; nothing was sent"
        )
    kind, _, _ = text.partition(":")
    return {"kind": kind} if found[1] is None else {"kind": kind, "day": int(found[1])}


def package(text: str) -> dict[str, Any]:
    """Read CODE or CODE=PRICE as an event says it."""
    found = SOLD.fullmatch(text)
    if found is None:
        raise Misconfigured(f"--package {text!r} is not CODE or CODE=PRICE; nothing was sent")
    code, price = found.groups()
    return {"code": code} if price is None else {"code": code, "price": price}


def extra(text: str) -> dict[str, Any]:
    """Read CODE, CODE=PRICE or 2xCODE=PRICE as an event says it. What begins like a quantity is
    one, and must be whole and in the digits 0 to 9."""
    many = MANY.fullmatch(text)
    code = text if many is None else many[2]
    if SOLD.fullmatch(code) is None or (many and not re.fullmatch(r"[0-9]{1,9}", many[1])):
        raise Misconfigured(
            f"--extra {text!r} is not CODE, CODE=PRICE or 2xCODE=PRICE with a quantity from 1 to"
            " 1000; nothing was sent"
        )
    return package(code) | ({} if many is None else {"quantity": int(many[1])})
