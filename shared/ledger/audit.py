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
        self._command = ""

    def fault(self, line: Line) -> Fault | None:
        """Check the customer's next line against all before it."""
        for what, found, expected in (
            *self._place(line),
            *self._amounts(line),
            *self._chain(line),
        ):
            if found != expected:
                return Fault(line.customer_id, line.seq, what, str(found), str(expected))
        self._seq, self._hash = line.seq, line.hash
        self._heads[line.period] = line
        self._last_label = max(self._last_label, line.period)
        self._command = line.command_id
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

    def _place(self, line: Line) -> list[tuple[str, object, object]]:
        """Where the line stands: seq, revision, label, coverage."""
        before = self._heads.get(line.period)
        checks: list[tuple[str, object, object]] = [
            ("seq", line.seq, self._seq + 1),
            ("revision", line.revision, before.revision + 1 if before else 0),
            ("period", line.period, label_of(line.coverage_from)),
        ]
        if before is not None:
            checks.append(("coverage_from", line.coverage_from, before.coverage_from))
            if line.kind != "extension":
                checks.append(("coverage_to", line.coverage_to, before.coverage_to))
            return checks
        if self._last_label:
            last = self._heads[self._last_label]
            checks += [
                ("period", line.period, months_after(self._last_label, 1)),
                ("coverage_from", line.coverage_from, last.coverage_to),
            ]
        elif self._bill_from is None:
            checks.append(("the customer's account", "missing", "there"))
        else:
            checks.append(("coverage_from", line.coverage_from, self._bill_from))
        ends_in = months_after(line.period, 1)
        checks.append(("the month that coverage_to lies in", label_of(line.coverage_to), ends_in))
        return checks

    def _amounts(self, line: Line) -> list[tuple[str, object, object]]:
        """The arithmetic of the line, and of the bill frozen in it."""
        billed = line.charge - line.discount + line.vat
        due = line.previous_due + billed - line.paid
        checks: list[tuple[str, object, object]] = [
            ("previous_due", decimal(line.previous_due), decimal(self._opens_with(line))),
            ("due", decimal(line.due), decimal(due)),
        ]
        policy = self._policies.get(line.bill_policy_version)
        if policy is None:
            checks.append(("its bill's policy version", line.bill_policy_version, "in the book"))
        elif line.standing or line.bill_seq == 0:
            discount = share(line.recurring_charge, line.discount_ppm)
            net = line.recurring_charge - discount
            vat = policy.vat(net, line.coverage_from, line.vat_exempt)
            checks += [
                ("discount by terms", decimal(line.recurring_discount), decimal(discount)),
                ("VAT of the bill", decimal(line.recurring_vat), decimal(vat)),
            ]
        else:
            recurring = (line.recurring_charge, line.recurring_discount, line.recurring_vat)
            checks.append(("what the cancelled bill still charges", recurring, (0, 0, 0)))
        return checks

    def _chain(self, line: Line) -> list[tuple[str, object, object]]:
        """The hash, last: it differs whatever else was changed, and says least."""
        return [("hash", line.hash.hex(), chained(line, self._hash).hex())]

    def _opens_with(self, line: Line) -> int:
        """The due of the period before, or the opening due."""
        before = self._heads.get(months_after(line.period, -1))
        return before.due if before is not None else self._opening_due or 0
