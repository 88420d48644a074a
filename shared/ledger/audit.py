"""The audit: every line of a customer recomputed from the lines alone.

It trusts nothing that a line says of itself, and shares with the rules only what they are
made of: rounding, months, the tax of a policy and the hash.
"""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from shared.ledger.line import GENESIS, Line, chained
from shared.ledger.money import decimal, share
from shared.ledger.period import label_of, months_after
from shared.ledger.policy import Policy

Wrong = tuple[str, str, str]
"""What is wrong, what was found, what was expected."""


class Fault(NamedTuple):
    """The first thing wrong with a customer's lines: where, what was found, what was expected."""

    customer_id: str
    seq: int
    what: str
    found: str
    expected: str

    def __str__(self) -> str:
        return (
            f"customer {self.customer_id}, line {self.seq}: {self.what} is {self.found}, "
            f"expected {self.expected}"
        )


class Audit:
    """Takes one customer's lines in the order of seq; `fault` of each tells the first fault.

    `bill_from` and `opening_due` are what the signup said; None where there is no account.
    """

    def __init__(
        self, policies: Mapping[int, Policy], bill_from: date | None, opening_due: int | None
    ) -> None:
        self._policies = policies
        self._bill_from = bill_from
        self._opening_due = opening_due
        self._seq = 0
        self._hash = GENESIS
        self._heads: dict[str, Line] = {}
        self._last_label = ""

    def fault(self, line: Line) -> Fault | None:
        """Check the customer's next line against all before it."""
        before = self._heads.get(line.period)
        wrong = (
            self._place(line, before)
            or self._amounts(line)
            or _differs("hash", line.hash.hex(), chained(line, self._hash).hex())
        )
        if wrong is not None:
            return Fault(line.customer_id, line.seq, *wrong)
        self._seq, self._hash = line.seq, line.hash
        self._heads[line.period] = line
        if before is None:
            self._last_label = line.period
        return None

    def end(self) -> Fault | None:
        """Check, after the last line, that each period opens with what the one before closed."""
        due = self._opening_due or 0
        for label in sorted(self._heads):
            head = self._heads[label]
            if head.previous_due != due:
                return Fault(
                    head.customer_id,
                    head.seq,
                    f"previous_due of {label}, its cascade done,",
                    decimal(head.previous_due),
                    decimal(due),
                )
            due = head.due
        return None

    def _place(self, line: Line, before: Line | None) -> Wrong | None:
        """Where the line stands: seq, revision, label, coverage."""
        wrong = (
            _differs("seq", line.seq, self._seq + 1)
            or _differs("revision", line.revision, before.revision + 1 if before else 0)
            or _differs("period", line.period, label_of(line.coverage_from))
        )
        if wrong is not None:
            return wrong
        if before is None:
            return self._begins(line)
        if line.coverage_from != before.coverage_from or line.kind != "extension":
            covers = (before.coverage_from, before.coverage_to)
            return _differs("coverage", (line.coverage_from, line.coverage_to), covers)
        return None

    def _begins(self, line: Line) -> Wrong | None:
        """A period's first line: it goes on where the period before it ends."""
        if self._last_label:
            label = months_after(self._last_label, 1)
            begins: date | None = self._heads[self._last_label].coverage_to
        else:
            label, begins = line.period, self._bill_from
        ends_in = months_after(line.period, 1)
        return (
            _differs("period", line.period, label)
            or _differs("coverage_from", line.coverage_from, begins)
            or _differs("the month of coverage_to", label_of(line.coverage_to), ends_in)
        )

    def _amounts(self, line: Line) -> Wrong | None:
        """The arithmetic of the line, and of the bill frozen in it."""
        before = self._heads.get(months_after(line.period, -1))
        opens_with = before.due if before is not None else self._opening_due or 0
        policy = self._policies.get(line.bill_policy_version)
        if policy is None:
            return "its bill's policy version", str(line.bill_policy_version), "one in the book"
        discount = vat = charge = 0
        if line.standing or line.bill_seq == 0:
            charge = line.recurring_charge
            discount = share(charge, line.discount_ppm)
            vat = policy.vat(charge - discount, line.coverage_from, line.vat_exempt)
        due = line.previous_due + line.charge - line.discount + line.vat - line.paid
        return (
            _wrong_amount("previous_due", line.previous_due, opens_with)
            or _wrong_amount("charge of the cancelled bill", line.recurring_charge, charge)
            or _wrong_amount("discount by terms", line.recurring_discount, discount)
            or _wrong_amount("VAT of the bill", line.recurring_vat, vat)
            or _wrong_amount("due", line.due, due)
        )


def _differs(what: str, found: object, expected: object) -> Wrong | None:
    return None if found == expected else (what, _said(found), _said(expected))


def _wrong_amount(what: str, found: int, expected: int) -> Wrong | None:
    return None if found == expected else (what, decimal(found), decimal(expected))


def _said(value: object) -> str:
    if isinstance(value, tuple):
        return " to ".join(map(str, value))
    return "not known: there is no account" if value is None else str(value)
