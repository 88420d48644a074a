"""What the naive model remembers of a customer: words said about terms, and plain lists.

A period is a list of what was put into it; its figures are summed afresh whenever they
are asked for. Nothing is ever taken out: what was cancelled is merely not live.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from shared.ledger.commands import SignedUp
from shared.ledger.policy.policy import Policy
from tests.support.naive_prices import ONE_DAY, charge_for, listed_price, percent_of, vat_on

KNOWN_FROM_THE_START = date.min


class Line(NamedTuple):
    """One ledger line: the period's totals after it (docs/ledger.md). Minor units."""

    customer_id: str
    seq: int
    period: str
    revision: int
    kind: str
    previous_due: int
    charge: int
    discount: int
    vat: int
    billed: int
    paid: int
    due: int
    coverage_from: date
    coverage_to: date
    command_id: str
    reverses: str | None


class Row(NamedTuple):
    """One row of the statement, summed from the lists."""

    period: str
    coverage_from: date
    coverage_to: date
    previous_due: int
    charge: int
    discount: int
    vat: int
    billed: int
    paid: int
    due: int
    standing: bool


class Word(NamedTuple):
    """One thing said about a field: its value on the days [starts, until)."""

    starts: date
    until: date
    value: Any


class Words:
    """What was said about one field, in the order it was said; the last that reaches a day wins."""

    def __init__(self, value: Any) -> None:
        self.said = [Word(KNOWN_FROM_THE_START, date.max, value)]

    def say(self, day: date, value: Any, until: date = date.max) -> None:
        self.said.append(Word(day, until, value))

    def on(self, day: date) -> Any:
        return self._winner(day).value

    def days_after(self, day: date) -> list[date]:
        """Return the days after one on which another word begins to count."""
        edges = {edge for word in self.said for edge in (word.starts, word.until)}
        later = sorted(edge for edge in edges if day < edge < date.max)
        return [edge for edge in later if self._winner(edge) is not self._winner(edge - ONE_DAY)]

    def _winner(self, day: date) -> Word:
        for word in self.said[::-1]:
            if word.starts <= day < word.until:
                return word
        raise AssertionError("something is known from the start")


@dataclass
class Grant:
    """A granted discount: `amount` off what is billed, of which `vat` is the VAT's part."""

    command_id: str
    actor: str
    amount: int
    vat: int
    live: bool = True


@dataclass
class Entry:
    """A payment, refund or adjustment; `vat` is the adjustment's, `of` the refund's payment."""

    command_id: str
    amount: int
    vat: int = 0
    of: str | None = None
    paid_by: tuple[str, str] | None = None
    shared: bool = False
    live: bool = True


@dataclass
class Bill:
    """A bill or skip row of a period, with the terms that were frozen with it."""

    anchor: int
    percent_ppm: int
    exempt: bool
    policy: Policy
    is_skip: bool = False
    stands: bool = True
    charge: int = 0
    discount: int = 0
    vat: int = 0
    grants: list[Grant] = field(default_factory=list)

    def live_grants(self) -> list[Grant]:
        return [grant for grant in self.grants if grant.live]


@dataclass
class Period:
    """A month of a customer. `bill` is the bill or skip row that stands there, or stood last."""

    label: str
    starts: date
    ends: date
    bill: Bill
    made_on: date
    raised_on: date = date.min
    """The day on which a line last raised what the period bills."""
    bills: list[Bill] = field(default_factory=list)
    payments: list[Entry] = field(default_factory=list)
    refunds: list[Entry] = field(default_factory=list)
    adjustments: list[Entry] = field(default_factory=list)

    def has_standing_bill(self) -> bool:
        return self.bill.stands and not self.bill.is_skip

    def is_cancelled(self) -> bool:
        return not self.bill.stands

    def asked_on(self) -> date:
        return max(self.starts, self.made_on, self.raised_on)

    def granted(self) -> tuple[int, int]:
        """Return what the live granted discounts take, VAT included, and their VAT share: never
        more than there is without them (docs/rules.md#granted-discounts)."""
        grants = self.bill.live_grants() if self.bill.stands else []
        if not grants:
            return 0, 0
        adjusted = [entry for entry in self.adjustments if entry.live]
        vat = self.bill.vat + sum(entry.vat for entry in adjusted)
        whole = self.bill.charge - self.bill.discount + sum(e.amount for e in adjusted) + vat
        amount, share = sum(each.amount for each in grants), sum(each.vat for each in grants)
        if amount > whole:
            return (whole, vat) if whole > 0 else (0, 0)
        return amount, min(share, vat)

    def row(self, previous_due: int) -> Row:
        """Sum the period's lists into its row of the statement."""
        adjusted = [entry for entry in self.adjustments if entry.live]
        charge = sum(entry.amount for entry in adjusted)
        vat = sum(entry.vat for entry in adjusted)
        discount = 0
        if self.bill.stands:
            amount, share = self.granted()
            charge += self.bill.charge
            discount += self.bill.discount + amount - share
            vat += self.bill.vat - share
        paid = sum(entry.amount for entry in self.payments if entry.live)
        paid -= sum(entry.amount for entry in self.refunds if entry.live)
        billed = charge - discount + vat
        return Row(
            self.label,
            self.starts,
            self.ends,
            previous_due,
            charge,
            discount,
            vat,
            billed,
            paid,
            previous_due + billed - paid,
            self.has_standing_bill(),
        )


@dataclass
class Cancellation:
    """What a cancellation did: its target, the discounts a bill took along, whether undone."""

    target: "Bill | Grant | Entry | Cancellation"
    period: Period
    kind: str
    took: list[Grant] = field(default_factory=list)
    undone: bool = False


class Account:
    """One customer: what was said about the terms, and the periods in order."""

    def __init__(self, signup: SignedUp, policies: list[Policy]) -> None:
        self.signup = signup
        self.policies = policies
        """The fleet's policy versions, oldest first; the list grows."""
        self.username = signup.username
        self.grace_until: date | None = None
        self.extras = Words(signup.extras)
        self.texting = Words(signup.texting)
        self.address = Words(signup.address)
        self.email = Words(signup.email)
        self.tax_id = Words(signup.tax_id)
        self.periods: list[Period] = []
        self.lines: list[Line] = []
        self.cancellations: dict[str, Cancellation] = {}
        self.package = Words(signup.package)
        self.cycle = Words(signup.cycle)
        self.mode = Words(signup.mode)
        self.vip = Words(signup.vip)
        self.discount_ppm = Words(signup.discount_ppm)
        self.vat_exempt = Words(signup.vat_exempt)
        self.name = Words(signup.name)
        self.phone = Words(signup.phone)
        self.language = Words(signup.language)
        self.status = Words("active")
        """The status that is charged; `shown` is the one that views follow."""
        self.shown = Words("active")

    def billed_through(self) -> date:
        """Return the first day not covered, which is the next bill day."""
        return self.periods[-1].ends if self.periods else self.signup.bill_from

    def anchor_on(self, day: date) -> int:
        cycle = self.cycle.on(day)
        if cycle.kind == "start_of_month":
            return 1
        return self.signup.joined_on.day if cycle.kind == "anniversary" else cycle.day

    def left_for_good_on(self, day: date) -> bool:
        later = self.status.days_after(day)
        return all(self.status.on(each) == "left" for each in (day, *later))

    def period(self, label: str) -> Period | None:
        return next((period for period in self.periods if period.label == label), None)

    def posting_period(self, day: date) -> Period:
        """Return the period that covers a day, else the nearest end of the row of periods."""
        if day < self.periods[0].starts:
            return self.periods[0]
        return next((p for p in self.periods if p.starts <= day < p.ends), self.periods[-1])

    def statement(self) -> list[Row]:
        rows: list[Row] = []
        due = self.signup.opening_due
        for period in self.periods:
            rows.append(period.row(due))
            due = rows[-1].due
        return rows

    def due(self) -> int:
        rows = self.statement()
        return rows[-1].due if rows else self.signup.opening_due

    def price(self, bill: Bill, starts: date, ends: date) -> tuple[int, int, int, int]:
        """Return (charge, discount, vat, active days) of a coverage with a bill's frozen terms."""
        charge, active_days = charge_for(
            starts,
            ends,
            bill.anchor,
            lambda day: self.price_on(day, bill.policy.version),
            lambda day: self.status.on(day) == "active",
        )
        discount = percent_of(charge, bill.percent_ppm)
        vat = vat_on(charge - discount, starts, bill.exempt, bill.policy)
        return charge, discount, vat, active_days

    def price_on(self, day: date, version: int) -> int:
        """Return the price of a day, a cycle's: the package's and all extras'."""
        sold = [(*self.package.on(day), 1), *self.extras.on(day)]
        return sum(
            quantity * (listed_price(self.policies, version, code, day) if price is None else price)
            for code, price, quantity in sold
        )

    def entries(self, kind: str) -> Iterator[tuple[Period, Entry]]:
        """Yield every entry of a kind: payments, refunds or adjustments."""
        for period in self.periods:
            for entry in getattr(period, kind):
                yield period, entry

    def append(
        self, kind: str, command_id: str, own: set[str], day: date, reverses: str | None = None
    ) -> None:
        """Append the lines by which the statement differs from what the lines say so far.

        `own` are the labels that the command touches itself; elsewhere only `previous_due`
        may have moved, which makes a restatement. `day` is that of the lines.
        """
        heads = {line.period: line for line in self.lines}
        for row in self.statement():
            head = heads.get(row.period)
            if row.period in own:
                line_kind, reversed_id = kind, reverses
                if head is not None and row.billed > head.billed:
                    period = self.period(row.period)
                    assert period is not None
                    period.raised_on = day
            else:
                assert head is not None
                assert head[6:11] == row[4:9], "only the command's own periods may change"
                if head.previous_due == row.previous_due:
                    continue
                line_kind, reversed_id = "restatement", None
            line = Line(
                self.signup.customer_id,
                len(self.lines) + 1,
                row.period,
                head.revision + 1 if head else 0,
                line_kind,
                *row[3:10],
                row.coverage_from,
                row.coverage_to,
                command_id,
                reversed_id,
            )
            self.lines.append(line)
