"""The ledger line and the hash that chains each line to the one before it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from typing import Any, Literal, NamedTuple

GENESIS = bytes(32)
"""The previous hash of a customer's first line."""
ABSENT = "\\N"
"""An absent text in the canonical form, as in PostgreSQL's COPY."""

Kind = Literal[
    "bill",
    "skip",
    "extension",
    "proration",
    "discount",
    "adjustment",
    "payment",
    "refund",
    "reversal",
    "restatement",
]
"""What made a line (docs/ledger.md#kinds): a command; for a restatement the line of an earlier
period."""


class Line(NamedTuple):
    """One row of the ledger: the totals of a period after one command (docs/ledger.md).

    Amounts are minor units, coverage is half open. The fields after `hash` carry
    what a later command needs, so that a period can be read from its latest line alone:
    the terms frozen with the bill, whether it stands, and what of the totals
    came from adjustments and from granted discounts. The order is that of the table.
    """

    customer_id: str
    seq: int
    period: str
    revision: int
    kind: Kind
    previous_due: int
    charge: int
    discount: int
    vat: int
    paid: int
    due: int
    coverage_from: date
    coverage_to: date
    command_id: str
    reverses: str | None
    effective_on: date
    actor: str | None
    reason: str | None
    policy_version: int
    recorded_at: datetime
    hash: bytes
    anchor_day: int
    discount_ppm: int
    vat_exempt: bool
    bill_policy_version: int
    standing: bool
    bill_seq: int
    """The line that issued the bill now in the period; 0 for a skip row."""
    adjusted_charge: int
    adjusted_vat: int
    granted_discount: int
    granted_vat: int
    made_on: date
    """The day on which the period's row was made."""
    asked_on: date
    """The day on which the period is asked for (docs/rules.md#asked-for). Like the fields around
    it, it follows from other lines and the events, so the hash does not cover it."""
    gifts: int
    """What the live granted discounts come to in full, VAT included; they take less where the
    period comes to less (`gifts.py`)."""
    gifts_vat: int

    @property
    def billed(self) -> int:
        return self.charge - self.discount + self.vat

    @property
    def recurring_charge(self) -> int:
        return self.charge - self.adjusted_charge

    @property
    def recurring_discount(self) -> int:
        return self.discount - self.granted_discount

    @property
    def recurring_vat(self) -> int:
        return self.vat - self.adjusted_vat + self.granted_vat

    @property
    def cancelled(self) -> bool:
        """Whether the period's bill was cancelled and nothing took its place."""
        return self.bill_seq > 0 and not self.standing


def _text(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n")


@lru_cache(maxsize=4096)
def _day(day: date) -> str:
    return day.isoformat()


@lru_cache(maxsize=1024)
def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def canonical(line: Sequence[Any]) -> bytes:
    """Return what the hash covers: each field of a line up to `granted_vat` but the hash, on a line
    of its own, UTF-8.

    Order as in `Line`. Integers in decimal (amounts in minor units), days as YYYY-MM-DD,
    the instant in UTC with six decimals and Z, booleans as t and f, an absent text as \\N;
    in texts a backslash is written \\\\ and a line feed \\n. Lines are joined by a line feed.
    """
    (
        customer_id, seq, period, revision, kind, previous_due, charge, discount, vat, paid, due,
        coverage_from, coverage_to, command_id, reverses, effective_on, actor, reason,
        policy_version, recorded_at, _hash, anchor_day, discount_ppm, vat_exempt,
        bill_policy_version, standing, bill_seq, adjusted_charge, adjusted_vat,
        granted_discount, granted_vat, *_,
    ) = line  # fmt: skip
    return (
        f"{customer_id}\n{seq}\n{period}\n{revision}\n{kind}\n{previous_due}\n{charge}\n{discount}"
        f"\n{vat}\n{paid}\n{due}\n{_day(coverage_from)}\n{_day(coverage_to)}\n{command_id}"
        f"\n{ABSENT if reverses is None else reverses}\n{_day(effective_on)}"
        f"\n{ABSENT if actor is None else _text(actor)}"
        f"\n{ABSENT if reason is None else _text(reason)}"
        f"\n{policy_version}\n{_instant(recorded_at)}\n{anchor_day}\n{discount_ppm}"
        f"\n{'t' if vat_exempt else 'f'}\n{bill_policy_version}\n{'t' if standing else 'f'}"
        f"\n{bill_seq}\n{adjusted_charge}\n{adjusted_vat}\n{granted_discount}\n{granted_vat}"
    ).encode()


def chained(line: Sequence[Any], previous_hash: bytes) -> bytes:
    """Return the line's hash: SHA-256 of the predecessor's 32 bytes and the canonical form."""
    return rechained(canonical(line), previous_hash)


def rechained(form: bytes, previous_hash: bytes) -> bytes:
    """Return the hash of a line from its canonical form."""
    return sha256(previous_hash + form).digest()


def sealed(line: Sequence[Any], previous_hash: bytes) -> Line:
    """Return the line, given as its fields in their order, with its hash in place."""
    fields = list(line)
    fields[HASH_AT] = chained(line, previous_hash)
    return tuple.__new__(Line, fields)


HASH_AT = Line._fields.index("hash")

OWN = ("customer_id", "seq", "previous_due", "due", "command_id", "hash", "bill_seq")
"""The fields that each line of a `Form` has for itself; all others are the form's."""


class Form:
    """What bills have in common that differ in `OWN` alone: their other fields, and how these are
    written in the canonical form.

    A bill run writes the same bill for all customers on one package. What they share is made once,
    from the first of them and by `canonical`; the hash still covers each line's whole form.
    """

    __slots__ = ("_billed", "_fields", "_line", "_texts")

    def __init__(self, first: Line) -> None:
        assert first.bill_seq in (first.seq, 0), "a bill that the line made itself, or a skip row"
        self._line = first
        self._billed = first.billed
        self._fields: Sequence[tuple[Any, ...]] = ()
        self._texts: Sequence[str] = ()

    def sealed(
        self, customer_id: str, seq: int, previous_due: int, command_id: str, previous_hash: bytes
    ) -> Line:
        """Return the bill of another customer, with its hash in place."""
        if not self._texts:  # made for the second bill: many have none
            self._cut()
        due = previous_due + self._billed
        bill_seq = seq if self._line.bill_seq else 0
        a, b, c, d, e, f = self._texts
        form = (
            f"{customer_id}\n{seq}\n{a}\n{previous_due}\n{b}\n{due}\n{c}\n{command_id}\n{d}\n{e}"
            f"\n{bill_seq}\n{f}"
        )
        tip = rechained(form.encode(), previous_hash)
        g, h, i, j, k, m = self._fields
        fields = (
            customer_id, seq, *g, previous_due, *h, due, *i, command_id, *j, tip, *k, bill_seq, *m,
        )  # fmt: skip
        return tuple.__new__(Line, fields)

    def _cut(self) -> None:
        blank = self._line._replace(customer_id="", command_id="")
        texts = canonical(blank).decode().split("\n")
        texts.insert(HASH_AT, "")  # the canonical form leaves it out
        cuts = [*map(Line._fields.index, OWN), len(Line._fields)]
        between = [slice(at + 1, until) for at, until in pairwise(cuts)]
        shared = between[1:]  # nothing stands between customer_id and seq
        fields: tuple[Any, ...] = self._line
        self._fields = [fields[span] for span in shared]
        self._texts = ["\n".join(texts[span]) for span in shared]  # without the fields unhashed
