"""Reads a story: policies, events in the order they came, and what the books should say.

README.md describes the grammar. `NotUnderstood` names a line that is not in it.
"""

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from shared.ledger import commands as c
from shared.ledger.money import decimal, minor, parts_per_million
from shared.ledger.policy.policy import PERMISSIONS, Policy, Staff, Tax
from shared.ledger.policy.prices import Price, PriceList
from shared.ledger.terms import Cycle, Extra, Extras, Package

EVENT = re.compile(r"(\d{4}-\d\d-\d\d)\s+([a-z]+)\s+(.*?)(?:\s+=>\s+(.*))?")
HEADING = re.compile(r"(statement|lines|invoices|expires)\s+(\S+)\s*(.*)")
ROW = re.compile(r"(\d{4}-\d\d|\d{1,3})\s+(.*)")
FLAGS = (
    "start of month",
    "anniversary",
    "monthly",
    "cumulative",
    "vip",
    "not vip",
    "vat exempt",
    "with vat",
    "prorate",
    "no proration",
    "allow gap",
    "shared",
    "untaxed",
    "silent",
)
OPTIONS = (
    "as",
    "by",
    "from",
    "of",
    "period",
    "reference",
    "joined",
    "billed from",
    "opening due",
    "discount",
    "custom day",
    "until",
    "extras",
    "username",
    "grace until",
)


class NotUnderstood(Exception):
    """This line of the story is not in the grammar; see tests/stories/README.md."""


class Told(NamedTuple):
    """An event: its command and the outcome the story expects, `accepted` mostly."""

    line: int
    command: Any
    outcome: str


class Books(NamedTuple):
    """What the books should say of a customer at this point of the story.

    `rows` are {column: text}, all of them; `day` is for `expires` alone, None for never.
    """

    line: int
    report: str
    customer_id: str
    mode: str | None
    rows: list[dict[str, str]]
    day: date | None = None


class Story(NamedTuple):
    """A story's name and its steps: policies, events told, books to compare."""

    name: str
    steps: list[Policy | Told | Books]


def read(path: Path) -> Story:
    """Read a story from its file."""
    return understood(path.stem, path.read_text(encoding="utf-8"))


def understood(name: str, text: str) -> Story:
    """Read a story from its text."""
    return Story(name, _Reader().read(text))


class _Reader:
    def __init__(self) -> None:
        self.steps: list[Policy | Told | Books] = []
        self.joined: dict[str, date] = {}
        self.policies = 0
        self.serial = 0

    def read(self, text: str) -> list[Policy | Told | Books]:
        policy: list[str] | None = None
        for number, line in enumerate(text.splitlines(), start=1):
            plain = line.partition("#")[0].rstrip()
            try:
                if policy is not None and plain.startswith(" "):
                    policy.append(plain.strip())
                    self.steps[-1] = self._policy(policy)
                elif plain == "policy":
                    policy = []
                    self.policies += 1
                    self.steps.append(self._policy(policy))
                elif plain:
                    policy = None
                    self._line(number, plain)
            except (KeyError, ValueError, IndexError) as error:
                raise NotUnderstood(f"line {number}: {line}") from error
        return self.steps

    def _line(self, number: int, line: str) -> None:
        if event := EVENT.fullmatch(line):
            day, verb, rest, outcome = event.groups()
            command = self._command(date.fromisoformat(day), verb, rest)
            self.steps.append(Told(number, command, outcome or "accepted"))
        elif heading := HEADING.fullmatch(line):
            report, who, rest = heading.groups()
            if report == "expires":
                day_on = None if rest == "never" else date.fromisoformat(rest)
                self.steps.append(Books(number, report, who, None, [], day_on))
            else:
                self.steps.append(Books(number, report, who, rest or None, []))
        elif row := ROW.fullmatch(line):
            self._books(number).rows.append(_row(row[1], row[2].split()))
        else:
            raise ValueError(line)

    def _books(self, number: int) -> Books:
        """Return the report that a row belongs to: the last heading's, or the only customer's."""
        last = self.steps[-1]
        if not isinstance(last, Books) or last.report == "expires":
            [who] = self.joined
            last = Books(number, "statement", who, None, [])
            self.steps.append(last)
        return last

    def _policy(self, lines: list[str]) -> Policy:
        taxes, staff, grace_days = [], {"boss": Staff(PERMISSIONS)}, 10
        prices = []
        for line in lines:
            word, *rest = line.replace(",", " ").split()
            if word == "tax":
                taxes.append(_tax(rest))
            elif word == "staff":
                limit = parts_per_million(rest[-1]) if rest[-2] == "to" else None
                may = rest[2:-3] if limit is not None else rest[2:]
                staff[rest[0]] = Staff(frozenset(may), limit)
            elif word == "grace":
                grace_days = int(rest[0])
            elif word == "price":
                code, amount, _, day = rest
                prices.append(Price(code, date.fromisoformat(day), minor(amount)))
            else:
                raise ValueError(line)
        return Policy(
            self.policies, tuple(taxes), MappingProxyType(staff), grace_days, PriceList(prices)
        )

    def _command(self, day: date, verb: str, rest: str) -> Any:
        first, *parts = (part.strip() for part in rest.split(","))
        told = _options(parts)
        command = VERBS[verb](self, day, first.split(), told)
        if told:
            raise ValueError(f"{verb} does not take {', '.join(told)}")
        return command

    # -- the verbs: each takes what it understands out of `told` ----------------------------

    def _id(self, kind: str, told: dict[str, str]) -> str:
        self.serial += 1
        return f"{kind}/{told.pop('as', f'{kind}.{self.serial}')}"

    def signup(self, day: date, words: list[str], told: dict[str, str]) -> c.SignedUp:
        who, price = words[:2]
        joined_on = _day(told.pop("joined", None)) or day
        self.joined.setdefault(who, joined_on)
        signup_id = told.pop("as", who)
        return c.SignedUp(
            f"signup/{signup_id}",
            who,
            day,
            joined_on,
            _day(told.pop("billed from", None)) or joined_on,
            who.capitalize(),
            "+8801711000001",
            "en",
            _package(price),
            _cycle(told, joined_on) or Cycle("start_of_month", 1),
            _flag(told, monthly="monthly", cumulative="cumulative") or "cumulative",
            bool(_flag(told, vip=True)),
            parts_per_million(told.pop("discount", "0 %").split()[0]),
            bool(_flag(told, **{"vat exempt": True})),
            minor(told.pop("opening due", "0")),
            told.pop("by", "boss"),
            told.pop("username", who),
            _extras(told.pop("extras", "none")),
            silent=bool(_flag(told, silent=True)),
        )

    def terms(self, day: date, words: list[str], told: dict[str, str]) -> c.Changed:
        """Change what the options name: cycle, mode, vip, discount, VAT, username, grace."""
        percent = told.pop("discount", None)
        return self._changed(
            day,
            words[0],
            told,
            cycle=_cycle(told, self.joined.get(words[0], day)),
            mode=_flag(told, monthly="monthly", cumulative="cumulative"),
            vip=_flag(told, **{"vip": True, "not vip": False}),
            discount_ppm=None if percent is None else parts_per_million(percent.split()[0]),
            vat_exempt=_flag(told, **{"vat exempt": True, "with vat": False}),
            username=told.pop("username", None),
            grace_until=_day(told.pop("grace until", None)),
        )

    def package(self, day: date, words: list[str], told: dict[str, str]) -> c.Changed:
        who, price = words[:2]
        return self._changed(day, who, told, package=_package(price))

    def extras(self, day: date, words: list[str], told: dict[str, str]) -> c.Changed:
        who, *extras = words
        return self._changed(day, who, told, extras=_extras(" ".join(extras)))

    def suspend(self, day: date, words: list[str], told: dict[str, str]) -> c.Changed:
        return self._changed(day, words[0], told, status="suspended")

    def resume(self, day: date, words: list[str], told: dict[str, str]) -> c.Changed:
        return self._changed(day, words[0], told, status="active")

    def leave(self, day: date, words: list[str], told: dict[str, str]) -> c.Changed:
        return self._changed(day, words[0], told, status="left")

    def _changed(self, day: date, who: str, told: dict[str, str], **fields: Any) -> c.Changed:
        return c.Changed(
            self._id("change", told),
            who,
            _day(told.pop("from", None)) or day,
            day,
            told.pop("by", "boss"),
            _flag(told, **{"prorate": True, "no proration": False}),
            until=_day(told.pop("until", None)),
            **fields,
        )

    def pay(self, day: date, words: list[str], told: dict[str, str]) -> c.PaymentReceived:
        who, amount = words
        payment_id, reference = self._id("payment", told), told.pop("reference", None)
        actor, shared = told.pop("by", "field-1"), bool(_flag(told, shared=True))
        return c.PaymentReceived(
            payment_id, who, minor(amount), "cash", "field", day, reference, actor, shared
        )

    def discount(self, day: date, words: list[str], told: dict[str, str]) -> c.DiscountGranted:
        return c.DiscountGranted(*self._granted("discount", day, words, told))

    def adjust(self, day: date, words: list[str], told: dict[str, str]) -> c.AdjustmentMade:
        untaxed = bool(_flag(told, untaxed=True))
        made = c.AdjustmentMade(*self._granted("adjustment", day, words, told))
        return made._replace(vat_exempt=untaxed)

    def _granted(self, kind: str, day: date, words: list[str], told: dict[str, str]) -> Any:
        who, amount = words
        command_id, period = self._id(kind, told), told.pop("period", None)
        return command_id, who, minor(amount), period, day, told.pop("by", "boss"), "goodwill"

    def refund(self, day: date, words: list[str], told: dict[str, str]) -> c.RefundMade:
        who, amount = words
        refund_id, of = self._id("refund", told), told.pop("of", None)
        return c.RefundMade(refund_id, who, minor(amount), of, day, told.pop("by", "boss"), "back")

    def cancel(self, day: date, words: list[str], told: dict[str, str]) -> c.CancellationRequested:
        who, kind, name = words
        target = f"bill/{who}/{name}" if kind == "bill" else f"{kind}/{name}"
        cancellation_id, actor = self._id("cancellation", told), told.pop("by", "boss")
        return c.CancellationRequested(cancellation_id, who, target, day, actor, "mistake")

    def undo(self, day: date, words: list[str], told: dict[str, str]) -> c.CancellationRequested:
        who, name = words
        return self.cancel(day, [who, "cancellation", name], told)

    def billto(self, day: date, words: list[str], told: dict[str, str]) -> c.BillUpToSet:
        who, up_to = words
        bill_up_to_id = self._id("bill_up_to", told)
        return c.BillUpToSet(
            bill_up_to_id, who, date.fromisoformat(up_to), day, told.pop("by", "boss")
        )

    def rebill(self, day: date, words: list[str], told: dict[str, str]) -> c.RebillRequested:
        who, label = words
        rebill_id = self._id("rebill", told)
        return c.RebillRequested(rebill_id, who, label, day, told.pop("by", "boss"), "reissue")

    def tick(self, day: date, words: list[str], told: dict[str, str]) -> c.Ticked:
        tick_id = self._id("tick", told)
        allow_gap = bool(_flag(told, **{"allow gap": True}))
        return c.Ticked(tick_id, tick_id[5:], words[0], day, "nightly", allow_gap)


VERBS: dict[str, Callable[..., Any]] = {
    "signup": _Reader.signup,
    "terms": _Reader.terms,
    "package": _Reader.package,
    "extras": _Reader.extras,
    "suspend": _Reader.suspend,
    "resume": _Reader.resume,
    "leave": _Reader.leave,
    "return": _Reader.resume,
    "pay": _Reader.pay,
    "discount": _Reader.discount,
    "adjust": _Reader.adjust,
    "refund": _Reader.refund,
    "cancel": _Reader.cancel,
    "undo": _Reader.undo,
    "billto": _Reader.billto,
    "rebill": _Reader.rebill,
    "tick": _Reader.tick,
}


def _options(parts: list[str]) -> dict[str, str]:
    """Read "by clerk" and "vip" into {"by": "clerk", "vip": ""}."""
    told = {}
    for part in parts:
        name = next((name for name in OPTIONS if part.startswith(f"{name} ")), None)
        if name is None and part not in FLAGS:
            raise ValueError(part)
        told[name or part] = part.removeprefix(f"{name} ") if name else ""
    return told


def _flag(told: dict[str, str], **meanings: Any) -> Any:
    """Take the one flag that is told out of `told` and return what it means, else None."""
    for name, meaning in meanings.items():
        if told.pop(name, None) is not None:
            return meaning
    return None


def _cycle(told: dict[str, str], joined_on: date) -> Cycle | None:
    anchor = told.pop("custom day", None)
    if anchor is not None:
        return Cycle("custom", int(anchor))
    fixed = {
        "start of month": Cycle("start_of_month", 1),
        "anniversary": Cycle("anniversary", joined_on.day),
    }
    cycle: Cycle | None = _flag(told, **fixed)
    return cycle


def _package(price: str) -> Package:
    """Read "1000.00", a price of its own, or a code of the price list."""
    return Package(price, minor(price)) if price[0].isdigit() else Package(price, None)


def _extras(text: str) -> Extras:
    """Read "2xip tv=150.00", or "none"."""
    extras = []
    for word in text.split() if text != "none" else ():
        many, code, price = re.fullmatch(r"(?:(\d+)x)?([a-z-]+)(?:=([\d.]+))?", word).groups()  # type: ignore[union-attr]
        extras.append(Extra(code, None if price is None else minor(price), int(many or 1)))
    return tuple(sorted(extras))


def _tax(words: list[str]) -> Tax:
    """Read "VAT 5 on SD from 2020-01-01 until 2026-01-01"."""
    told = dict(zip(words[2::2], words[3::2], strict=True))
    starts, ends = date.fromisoformat(told["from"]), _day(told.get("until"))
    on = (told["on"],) if "on" in told else ()
    return Tax(words[0], parts_per_million(words[1]), starts, ends, on)


def _row(first: str, words: list[str]) -> dict[str, str]:
    """Read a row's columns; a line's row begins with its seq, then period and kind."""
    if first.isdigit():
        period, kind, *words = words
        row = {"seq": first, "period": period, "kind": kind}
    else:
        row = {"period": first}
    columns = dict(zip(words[::2], words[1::2], strict=True))
    money = {"previous", "charge", "discount", "vat", "billed", "paid", "due", "amount", "open"}
    for column in columns.keys() & (money | {"ask"}):
        columns[column] = decimal(minor(columns[column]))
    return row | columns


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
