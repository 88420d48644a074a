"""A customer's terms, dated: what was agreed, and from which day it counts (docs/rules.md#change).

Each field is a timeline, ((day, value), ...) in ascending order, whose first day is
`ALWAYS`. A change replaces all that was known about its fields from its day on.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeVar, get_args

from shared.ledger.money import PPM

T = TypeVar("T")

ALWAYS = date.min
"""The first day of every timeline: its first value counts from the beginning."""
Mode = Literal["cumulative", "monthly"]
Status = Literal["active", "suspended", "left"]
Shown = Literal["pending", "active", "suspended", "left"]
"""The status that views and entitlements show: `pending` until the first period is made."""
CycleKind = Literal["start_of_month", "anniversary", "custom"]
Language = Literal["en", "bn"]


class Package(NamedTuple):
    """What is sold: a code and its own price for one full cycle (minor units), None where the price
    list gives it."""

    code: str
    price: int | None


class Extra(NamedTuple):
    """What is sold beside the package, `quantity` times; the price as of a package."""

    code: str
    price: int | None
    quantity: int


Extras = tuple[Extra, ...]
"""The extras of a day, by ascending code; each code once."""


class Cycle(NamedTuple):
    """How the months are cut; `day` is the stored anchor day, 1 to 31."""

    kind: str
    day: int


Timeline = tuple[tuple[date, T], ...]


def always(value: T) -> Timeline[T]:
    return ((ALWAYS, value),)


ACTIVE: Timeline[str] = always("active")
NO_EXTRAS: Timeline[Extras] = always(())


def value_on(timeline: Timeline[T], day: date) -> T:
    """Return the value that counts on a day."""
    for start, value in reversed(timeline):
        if start <= day:
            return value
    raise AssertionError("a timeline starts at ALWAYS")


def replaced_from(timeline: Timeline[T], day: date, value: T) -> Timeline[T]:
    """Return the timeline with all that it holds from a day on replaced by a value."""
    return (*(entry for entry in timeline if entry[0] < day), (day, value))


def replaced_between(timeline: Timeline[T], day: date, until: date | None, value: T) -> Timeline[T]:
    """Return the timeline with a value on the days [day, until); from `until` on, what was known
    before holds again. Without `until` the value replaces all that was known from the day on."""
    if until is None:
        return replaced_from(timeline, day, value)
    if until <= day:
        return timeline
    after = (until, value_on(timeline, until))
    later = (entry for entry in timeline if entry[0] > until)
    return (*replaced_from(timeline, day, value), after, *later)


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """The dated terms of one customer; equal texts decode to the same object.

    `status` decides what is charged; `shown` is what views and entitlements show, which
    follows `effective_on` alone (docs/rules.md#prorate).
    """

    package: Timeline[Package]
    cycle: Timeline[Cycle]
    mode: Timeline[str]
    vip: Timeline[bool]
    discount_ppm: Timeline[int]
    vat_exempt: Timeline[bool]
    status: Timeline[str] = ACTIVE
    shown: Timeline[str] = ACTIVE
    extras: Timeline[Extras] = NO_EXTRAS
    priced: dict[Any, Any] = field(default_factory=dict, repr=False)
    """A cache of `charge`: bills already priced under these terms. No part of their value."""

    def changed(self, **timelines: Any) -> "Terms":
        return replace(self, priced={}, **timelines)

    def left_for_good_on(self, day: date) -> bool:
        """Whether the customer has left on a day with no return known."""
        if len(self.status) == 1:
            return False
        return value_on(self.status, day) == "left" and all(
            status == "left" for start, status in self.status if start > day
        )

    def next_change_after(self, day: date) -> date | None:
        """Return the next day on which the shown status, package, VIP, mode or cycle changes, if
        any."""
        timelines: Sequence[Timeline[Any]] = (
            self.shown, self.package, self.vip, self.mode, self.cycle,
        )  # fmt: skip
        return min((start for line in timelines for start, _ in line if start > day), default=None)


MADE_OF: dict[str, Callable[[Any], Any]] = {
    "package": lambda value: Package(*value),
    "cycle": lambda value: Cycle(*value),
    "extras": lambda values: tuple(Extra(*value) for value in values),
}
FIELDS = (
    "package", "cycle", "mode", "vip", "discount_ppm", "vat_exempt", "status", "shown", "extras",
)  # fmt: skip


def encode(terms: Terms) -> str:
    """Write terms as JSON, {field: [[day or null, value...], ...]}; `decode` reads it back.

    `extras` are left out where there never were any, as in books older than extras.
    """
    return json.dumps(
        {
            name: [
                [None if day == ALWAYS else day.isoformat(), value]
                for day, value in getattr(terms, name)
            ]
            for name in FIELDS
            if name != "extras" or terms.extras != NO_EXTRAS
        },
        separators=(",", ":"),
        sort_keys=True,
    )


@lru_cache(maxsize=4096)
def decode(text: str) -> Terms:
    """Read terms from JSON. Cached by text: customers on one package share one value.

    Raises an exception (mostly ValueError or TypeError) for what `encode` never wrote. Checked
    here, because a wrong value found later would stop more than this one customer.
    """
    timelines: dict[str, Any] = {
        name: read_timeline(
            (day, MADE_OF[name](value) if name in MADE_OF else value) for day, value in entries
        )
        for name, entries in json.loads(text).items()
    }
    terms = Terms(**timelines)
    for name in FIELDS:
        for _, value in getattr(terms, name):
            if not FITS[name](value):
                raise ValueError(f"{name} cannot be {value!r}")
    return terms


def read_timeline(entries: Iterable[tuple[str | None, T]]) -> Timeline[T]:
    """Read [[day or null, value], ...]; ValueError unless the days ascend from `ALWAYS`."""
    timeline = tuple(
        (ALWAYS if day is None else date.fromisoformat(day), value) for day, value in entries
    )
    days = [day for day, _ in timeline]
    if not days or days[0] != ALWAYS or days != sorted(set(days)):
        raise ValueError("a timeline's days ascend from null")
    return timeline


def _is_int(value: object, least: int, most: int | None = None) -> bool:
    return type(value) is int and least <= value and (most is None or value <= most)


def _is_price(value: object) -> bool:
    return value is None or _is_int(value, 0)


def _are_extras(extras: Extras) -> bool:
    codes: list[Any] = [extra.code for extra in extras]
    return all(isinstance(code, str) for code in codes) and (
        codes == sorted(set(codes))
        and all(_is_price(extra.price) and _is_int(extra.quantity, 1) for extra in extras)
    )


FITS: dict[str, Callable[[Any], bool]] = {
    "package": lambda package: isinstance(package.code, str) and _is_price(package.price),
    "cycle": lambda cycle: cycle.kind in get_args(CycleKind) and _is_int(cycle.day, 1, 31),
    "mode": get_args(Mode).__contains__,
    "vip": lambda value: isinstance(value, bool),
    "discount_ppm": lambda value: _is_int(value, 0, PPM),
    "vat_exempt": lambda value: isinstance(value, bool),
    "status": get_args(Status).__contains__,
    "shown": get_args(Status).__contains__,
    "extras": _are_extras,
}
"""For each field, whether it can hold a value."""
