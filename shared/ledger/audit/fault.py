"""Faults, and how a line is compared with what it should be."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from shared.ledger.charge import Bill
from shared.ledger.line import Line
from shared.ledger.money import decimal

Wrong = tuple[str, str, str]
"""A fault before its place is known: what is wrong, what was found, what was expected."""
AMOUNTS = (
    "previous_due", "charge", "discount", "vat", "paid", "due", "adjusted_charge", "adjusted_vat",
    "granted_discount", "granted_vat", "gifts", "gifts_vat",
)  # fmt: skip


class Fault(NamedTuple):
    """The first fault in a customer's lines: where, what was found, what was expected.

    `seq` is that of the line; where a line is missing, the seq that it should have.
    """

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


COMMAND_AT = Line._fields.index("command_id")
RECORDED_AT = Line._fields.index("recorded_at")
CHARGE_AT, DUE_AT = Line._fields.index("charge"), Line._fields.index("due")
COVERAGE_AT, FROZEN_AT = Line._fields.index("coverage_from"), Line._fields.index("hash") + 1


def compared(line: Line, wanted: Line, header: tuple[Any, ...]) -> Wrong | None:
    """Compare a line's own figures with those of `wanted`, and its command with `header`:
    (command id, reverses, effective on, actor, reason, policy version)."""
    if line[COMMAND_AT:RECORDED_AT] != header:
        return first_difference(line, COMMAND_AT, header)
    if line[CHARGE_AT:DUE_AT] != wanted[CHARGE_AT:DUE_AT]:
        return first_difference(line, CHARGE_AT, wanted[CHARGE_AT:DUE_AT])
    if line[COVERAGE_AT:COMMAND_AT] != wanted[COVERAGE_AT:COMMAND_AT]:
        return first_difference(line, COVERAGE_AT, wanted[COVERAGE_AT:COMMAND_AT])
    if line[FROZEN_AT:] != wanted[FROZEN_AT:]:
        return first_difference(line, FROZEN_AT, wanted[FROZEN_AT:])
    return None


def agrees(line: Line, bill: Bill) -> bool:
    return (
        line.charge == bill.charge
        and line[COVERAGE_AT + 1] == bill.coverage_to
        and line[CHARGE_AT:DUE_AT] == (bill.charge, bill.discount, bill.vat, 0)
        and line[FROZEN_AT:] == _frozen(line, bill)
        and line.kind == ("bill" if bill.active else "skip")
    )


def _frozen(line: Line, bill: Bill) -> tuple[Any, ...]:
    return (
        bill.anchor_day, bill.discount_ppm, bill.vat_exempt, line.policy_version, bill.active,
        line.seq if bill.active else 0, 0, 0, 0, 0, line.made_on, line.asked_on, 0, 0,
    )  # fmt: skip


def unlike(line: Line, bill: Bill) -> Wrong:
    """Return the first field in which a period's first line differs from its price."""
    amounts = (bill.charge, bill.discount, bill.vat, 0)
    return (
        differs("coverage_to", line.coverage_to, bill.coverage_to)
        or _difference(line, CHARGE_AT, amounts)
        or _difference(line, FROZEN_AT, _frozen(line, bill))
        or ("kind", line.kind, "bill" if bill.active else "skip")
    )


def _difference(line: Line, at: int, wanted: Sequence[Any]) -> Wrong | None:
    for place, value in enumerate(wanted, at):
        if line[place] != value:
            name = Line._fields[place]
            found: Any = line[place]
            text = decimal if name in AMOUNTS else _text
            return name, text(found), text(value)
    return None


def first_difference(line: Line, at: int, wanted: Sequence[Any]) -> Wrong:
    wrong = _difference(line, at, wanted)
    assert wrong is not None
    return wrong


def differs(what: str, found: object, wanted: object) -> Wrong | None:
    return None if found == wanted else (what, _text(found), _text(wanted))


def wrong_amount(what: str, found: int, wanted: int) -> Wrong | None:
    return None if found == wanted else (what, decimal(found), decimal(wanted))


def _text(value: object) -> str:
    return "absent" if value is None else str(value)
