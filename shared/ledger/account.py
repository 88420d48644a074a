"""One customer's account: terms, the latest line of each period, and how lines are appended.

An account may hold only its latest periods: `since` is the first label loaded. A command that
reaches further back needs more of them loaded (`reach.py`). Postings, where loaded, are those of
every loaded period. Every method that appends takes the next seq, chains the hash, and carries
`due` forward.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from shared.ledger.charge import Bill, new_bill
from shared.ledger.errors import Broken
from shared.ledger.gifts import taken
from shared.ledger.line import GENESIS, Form, Kind, Line, sealed
from shared.ledger.period import label_of, months_after, months_between
from shared.ledger.posting import By, Posting
from shared.ledger.references import Reference
from shared.ledger.terms import Terms, Timeline
from shared.ledger.world import World

BEGINNING = ""
"""`since` of an account that is loaded whole."""
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""`recorded_at` of an account without a line."""


class Contact(NamedTuple):
    """Who the customer is and how to reach them; all but the last two dated by `effective_on`.

    No rule about money reads them. `username` is the customer's name in other systems, once in the
    fleet; `grace_until` a day up to which they are served at least.
    """

    name: Timeline[str]
    phone: Timeline[str]
    language: Timeline[str]
    texting: Timeline[bool]
    address: Timeline[str | None]
    email: Timeline[str | None]
    tax_id: Timeline[str | None]
    username: str
    grace_until: date | None = None


DATED = ("name", "phone", "language", "texting", "address", "email", "tax_id")
"""The dated fields of `Contact`, as changes name them."""


class Claim(NamedTuple):
    """A payment takes or frees its reference, or a customer a username: `by` is the payment's
    command id or the customer id."""

    what: Reference | str
    by: str
    taken: bool
    shared: bool = False


class Head(NamedTuple):
    """The last period in short: all that a bill run needs to make the next one."""

    period: str
    due: int
    coverage_to: date


@dataclass(slots=True)
class Account:
    customer_id: str
    joined_on: date
    bill_from: date
    opening_due: int
    terms: Terms
    contact: Contact | None
    """Only where a command may change it; None when it was not loaded."""
    periods: list[Line] = field(default_factory=list)
    closed: Head | None = None
    """The last period, where `periods` were not loaded."""
    since: str = BEGINNING
    postings: list[Posting] | None = field(default_factory=list)
    seq: int = 0
    hash: bytes = GENESIS
    recorded_at: datetime = NEVER
    lines: list[Line] = field(default_factory=list)
    """Lines appended and not yet committed, in seq order."""
    claims: list[Claim] = field(default_factory=list)
    """References and usernames taken or given up, and not yet adopted."""
    untold_seq: int = 0
    """Bills up to this seq are told to nobody: a silent signup made them."""

    def fork(self) -> "Account":
        """Return a copy to decide on, with no lines of its own; a refusal drops it."""
        postings = None if self.postings is None else list(self.postings)
        return Account(
            self.customer_id, self.joined_on, self.bill_from, self.opening_due, self.terms,
            self.contact, list(self.periods), self.closed, self.since, postings, self.seq,
            self.hash, self.recorded_at, untold_seq=self.untold_seq,
        )  # fmt: skip

    @property
    def head(self) -> Line | Head | None:
        """The last period; None while there is none."""
        return self.periods[-1] if self.periods else self.closed

    @property
    def billed_through(self) -> date:
        """The first day not covered by a period."""
        head = self.head
        return head.coverage_to if head else self.bill_from

    @property
    def due(self) -> int:
        head = self.head
        return head.due if head else self.opening_due

    def index_of(self, label: str) -> int | None:
        """Return where a period stands in `periods`, None when there is no such period."""
        if not self.periods:
            if self.closed:
                raise Broken(f"{self.customer_id}: periods were asked for but not loaded")
            return None
        index = months_between(self.periods[0].period, label)
        if index < 0 and self.since > label:
            raise Broken(f"{self.customer_id}: {label} was asked for but not loaded")
        return index if 0 <= index < len(self.periods) else None

    def period_covering(self, day: date) -> int:
        """Return the posting period of a day: before the first it is the first, after the last the
        last (docs/rules.md#posting-period). The account has a period."""
        for index in range(len(self.periods) - 1, -1, -1):
            if self.periods[index].coverage_from <= day:
                return index
        if self.since != BEGINNING:
            raise Broken(f"{self.customer_id}: the period of {day} was not loaded")
        return 0

    def posting(self, command_id: str) -> Posting | None:
        """Return the posting that a command made, None when there is none."""
        if self.postings is None:
            raise Broken(f"{self.customer_id}: postings were asked for but not loaded")
        return next((p for p in self.postings if p.line.command_id == command_id), None)

    def reversals_of(self, command_id: str) -> list[Posting]:
        """Return the cancellations of a command that were not themselves cancelled."""
        assert self.postings is not None
        undone = {p.line.reverses for p in self.postings if p.line.reverses}
        return [
            p
            for p in self.postings
            if p.line.reverses == command_id and p.line.command_id not in undone
        ]

    # Appending -----------------------------------------------------------------------------

    def post(
        self, kind: Kind, by: By, changes: Mapping[int, Mapping[str, Any]], world: World
    ) -> None:
        """Append one line of `kind` for each changed period, and a restatement of every later
        period whose due moves, because each opens with what its neighbour closed.

        `changes` maps a period's index to the fields that get new values. One pass upwards,
        so that each line reads the one its neighbour just wrote (docs/ledger.md#kinds).
        """
        first = min(changes)
        previous_due = self.periods[first].previous_due
        for index in range(first, len(self.periods)):
            before = self.periods[index]
            own = changes.get(index)
            if own is None and before.previous_due == previous_due:
                previous_due = before.due
                continue
            line = self._followed(before, kind, by, own, previous_due, world)
            previous_due = line.due
            self.periods[index] = line
            self._append(line)

    def _followed(
        self,
        before: Line,
        kind: Kind,
        by: By,
        own: Mapping[str, Any] | None,
        previous_due: int,
        world: World,
    ) -> Line:
        """Return the line that follows `before` in its period; a restatement without `own`."""
        seq, version = self.seq + 1, before.bill_policy_version
        values: list[Any] = list(before)
        if own is not None:
            version = own.get("policy_version", version)
            for name, value in own.items():
                values[FIELD_AT[name]] = (
                    seq if value == BECOMES_BILL and name == "bill_seq" else value
                )
            if values[GIFTS_AT] or before.gifts:
                _settle_gifts(values)
            if values[CHARGE_AT] - values[DISCOUNT_AT] + values[VAT_AT] > before.billed:
                day = max(world.business_date, by.day)
                values[ASKED_AT] = max(before.coverage_from, before.made_on, day)
        charge, discount, vat, paid = values[CHARGE_AT:DUE_AT]
        values[SEQ_AT] = seq
        values[REVISION_AT:CHARGE_AT] = (
            before.revision + 1,
            "restatement" if own is None else kind,
            previous_due,
        )
        values[DUE_AT] = previous_due + charge - discount + vat - paid
        values[COMMAND_AT:HASH_AT] = (
            by.command_id,
            None if own is None else by.reverses,
            by.effective_on,
            by.actor,
            by.reason,
            version,
            max(world.recorded_at, self.recorded_at),
        )
        return sealed(values, self.hash)

    def post_one(
        self,
        kind: Kind,
        by: By,
        index: int,
        changes: Mapping[str, Any],
        world: World,
        *,
        payment: str | None = None,
        method: str | None = None,
        reference: str | None = None,
        shared: bool = False,
    ) -> None:
        """Append a posting to one period, with its cascade, and remember it for later commands."""
        before, at = self.periods[index], len(self.lines)
        self.post(kind, by, {index: changes}, world)
        if self.postings is not None:
            posting = Posting(self.lines[at], before, payment, method, reference, shared)
            self.postings.append(posting)

    def _append(self, line: Line) -> None:
        self.seq, self.hash, self.recorded_at = line.seq, line.hash, line.recorded_at
        self.lines.append(line)

    def bill_through(
        self, day: date, world: World, actor: str | None = None, made_on: date | None = None
    ) -> int:
        """Bill every label whose bill day is not after a day; return how many bills it made.
        `made_on` is the local date of the event that bills, where that is another day.

        A period with no active day is a skip row, which is no bill. While the customer has
        left for good no period is made.
        """
        bills = 0
        on = max(world.business_date, day if made_on is None else made_on)
        starts = self.billed_through
        while starts <= day and not self.terms.left_for_good_on(starts):
            line = self.bill_next(world, on, actor)
            bills += line.standing
            starts = line.coverage_to
        return bills

    def bill_next(
        self, world: World, made_on: date, actor: str | None = None, ends: date | None = None
    ) -> Line:
        """Append the row of the next label and return it: a bill, or a skip row.

        `made_on` is the day of the line: the later of the business date and its event's local date.
        Customers on the same terms get the same bill but for a few fields, so its form is made once
        in a world.
        """
        head = self.head
        if head is None:
            starts, previous_due = self.bill_from, self.opening_due
            label = label_of(starts)
        else:
            starts, previous_due = head.coverage_to, head.due
            label = months_after(head.period, 1)
        seq, command_id = self.seq + 1, f"bill/{self.customer_id}/{label}"
        recorded_at, version = max(world.recorded_at, self.recorded_at), world.policy.version
        alike = (self.terms, label, starts, ends, actor, recorded_at, made_on)
        form = world.forms.get(alike)
        if form is not None:
            line = form.sealed(self.customer_id, seq, previous_due, command_id, self.hash)
        else:
            bill = new_bill(self.terms, starts, world.policy, ends)
            line = Line(
                self.customer_id, seq, label, 0, "bill" if bill.active else "skip", previous_due,
                bill.charge, bill.discount, bill.vat, 0, previous_due + bill.billed,
                starts, bill.coverage_to, command_id, None, starts, actor, None, version,
                recorded_at, b"", bill.anchor_day, bill.discount_ppm, bill.vat_exempt, version,
                bill.active, seq if bill.active else 0, 0, 0, 0, 0,
                made_on, max(starts, made_on), 0, 0,
            )  # fmt: skip
            line = sealed(line, self.hash)
            if len(world.forms) >= FORMS_MAX:
                world.forms.clear()
            world.forms[alike] = Form(line)
        self.periods.append(line)
        self._append(line)
        return line

    def recurring(self, index: int, bill: Bill) -> dict[str, Any]:
        """Return the fields of a period whose recurring part is priced anew.

        Adjustments and granted discounts stay. A skip row that gets an active day becomes the
        period's bill; a bill without one stays a bill (docs/rules.md#periods).
        """
        line = self.periods[index]
        fields: dict[str, Any] = {
            "coverage_to": bill.coverage_to,
            "charge": bill.charge + line.adjusted_charge,
            "discount": bill.discount + line.granted_discount,
            "vat": bill.vat + line.adjusted_vat - line.granted_vat,
        }
        if bill.active and not line.bill_seq:
            fields |= {"standing": True, "bill_seq": BECOMES_BILL}
        return fields


FORMS_MAX = 4096
"""How many forms of bills a `World` remembers."""
FIELD_AT = {name: at for at, name in enumerate(Line._fields)}
SEQ_AT, REVISION_AT, CHARGE_AT, DISCOUNT_AT, VAT_AT, DUE_AT, COMMAND_AT, HASH_AT = (
    FIELD_AT[name]
    for name in ("seq", "revision", "charge", "discount", "vat", "due", "command_id", "hash")
)
GRANTED_AT, GRANTED_VAT_AT, ASKED_AT, GIFTS_AT, GIFTS_VAT_AT = (
    FIELD_AT[name] for name in ("granted_discount", "granted_vat", "asked_on", "gifts", "gifts_vat")
)
BECOMES_BILL = -1
"""`bill_seq` of a change that makes its own line the period's bill."""


def _settle_gifts(values: list[Any]) -> None:
    """Let the granted discounts take what there is for them (`gifts.py`): replaces what they took
    in `discount` and `vat`."""
    net = values[CHARGE_AT] - values[DISCOUNT_AT] + values[GRANTED_AT]
    vat = values[VAT_AT] + values[GRANTED_VAT_AT]
    discount, vat_share = taken(values[GIFTS_AT], values[GIFTS_VAT_AT], net + vat, vat)
    values[DISCOUNT_AT] += discount - values[GRANTED_AT]
    values[VAT_AT] = vat - vat_share
    values[GRANTED_AT], values[GRANTED_VAT_AT] = discount, vat_share
