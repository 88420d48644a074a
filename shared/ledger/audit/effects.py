"""What each command does to the period that its own line is in, written a second time.

The audit compares every line with this. Nothing here is shared with the handlers, so that a
mistake of theirs is not repeated. Later periods are not covered here: the audit checks the cascade.
"""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple

from shared.ledger.audit.gifts import limited, unlimited
from shared.ledger.charge import Bill, price, reprice
from shared.ledger.commands import (
    AdjustmentMade,
    BillUpToSet,
    CancellationRequested,
    Changed,
    Command,
    DiscountGranted,
    PaymentReceived,
    RebillRequested,
    RefundMade,
)
from shared.ledger.line import Kind, Line
from shared.ledger.money import round_half_up
from shared.ledger.policy.policy import Policy
from shared.ledger.terms import Terms, value_on

OWN: dict[Kind, type] = {
    "payment": PaymentReceived,
    "discount": DiscountGranted,
    "adjustment": AdjustmentMade,
    "refund": RefundMade,
    "reversal": CancellationRequested,
    "proration": Changed,
    "extension": BillUpToSet,
    "bill": RebillRequested,
    "skip": RebillRequested,
}
"""The command that makes a line of each kind; a period's first line is made by no command."""


class Moved(NamedTuple):
    """What a command did: its line, and the period's line before it."""

    before: Line
    line: Line


Header = tuple[Any, ...]
"""A line's command: id, reverses, effective on, actor, reason, policy version."""
Effect = tuple[Line, Header]
"""The period as it should be (not `due`, which follows from the rest), and the header."""


class Case(NamedTuple):
    """A line under audit, and what was known when it was written.

    `terms` are as its command knew them; `policy` is the version that the line names, and
    `bill_policy` that of the bill in the period. `moved` is what earlier commands did. `first`
    and `last` are true for the first and the last period, to which all earlier and later days post.
    """

    line: Line
    before: Line
    terms: Terms
    policy: Policy
    bill_policy: Policy
    policies: Mapping[int, Policy]
    moved: Mapping[str, Moved]
    first: bool
    last: bool
    earlier: bool = False
    """By the rules of releases before 2026-12."""


def expected(command: Command, case: Case) -> Effect | str:
    """Return what a command's own line should be, or, where it is in the wrong period, the right
    one in words."""
    effect: Callable[[Any, Case], Effect | str] = EFFECTS[type(command)]
    found = effect(command, case)
    if isinstance(found, str) or not (found[0].gifts or case.before.gifts):
        return found
    after, header = found
    return unlimited(after) if case.earlier else limited(after), header


def _payment(command: PaymentReceived, case: Case) -> Effect | str:
    before, day = case.before, command.received_on
    after = before._replace(paid=before.paid + command.amount)
    header = (command.command_id, None, day, command.actor, None, before.bill_policy_version)
    return (after, header) if _holds(case, None, day) else _covering(day)


def _refund(command: RefundMade, case: Case) -> Effect | str:
    before, day = case.before, command.refunded_on
    after = before._replace(paid=before.paid - command.amount)
    return (after, _header(command, day, before)) if _holds(case, None, day) else _covering(day)


def _discount(command: DiscountGranted, case: Case) -> Effect | str:
    before, day = case.before, command.granted_on
    if not _holds(case, command.period, day):
        return command.period or _covering(day)
    vat = round_half_up(command.amount * before.vat, before.billed) if before.billed else 0
    after = before._replace(gifts=before.gifts + command.amount, gifts_vat=before.gifts_vat + vat)
    return after, _header(command, day, before)


def _adjustment(command: AdjustmentMade, case: Case) -> Effect | str:
    before, day = case.before, command.made_on
    if not _holds(case, command.period, day):
        return command.period or _covering(day)
    policy, rates_of, exempt = case.policy, day, value_on(case.terms.vat_exempt, day)
    if case.earlier:
        exempt = before.vat_exempt
    elif command.amount < 0 and before.standing:
        policy, rates_of, exempt = case.bill_policy, before.coverage_from, before.vat_exempt
    vat = policy.vat(command.amount, rates_of, exempt or command.vat_exempt)
    after = before._replace(
        charge=before.charge + command.amount,
        adjusted_charge=before.adjusted_charge + command.amount,
        vat=before.vat + vat,
        adjusted_vat=before.adjusted_vat + vat,
    )
    return after, (*_header(command, day, before)[:-1], policy.version)


def _cancellation(command: CancellationRequested, case: Case) -> Effect | str:
    before = case.before
    after = _reversed(command.cancels, case)
    if isinstance(after, str):
        return after
    names = after if after.standing and not before.standing else before
    header = _header(command, command.requested_on, names)
    return after, (header[0], command.cancels, *header[2:])


def _change(command: Changed, case: Case) -> Effect | str:
    before, day = case.before, command.effective_on
    if before.coverage_to <= day:
        return f"one that ends after {day}"
    bill = reprice(case.terms, before, case.bill_policy)
    header = (command.command_id, None, day, command.actor, None, before.bill_policy_version)
    return _priced(before, bill, case.line.seq), header


def _bill_up_to(command: BillUpToSet, case: Case) -> Effect | str:
    before = case.before
    bill = reprice(case.terms, before, case.bill_policy, command.up_to + timedelta(days=1))
    version = before.bill_policy_version
    header = (command.command_id, None, command.set_on, command.actor, None, version)
    return (_priced(before, bill, case.line.seq), header) if case.last else "the last one"


def _rebill(command: RebillRequested, case: Case) -> Effect | str:
    line, before, version = case.line, case.before, case.policy.version
    if line.period != command.period:
        return command.period
    bill = price(case.terms, before.coverage_from, before.coverage_to, before.anchor_day,
                 case.policy)  # fmt: skip
    after = before._replace(
        charge=bill.charge + before.adjusted_charge,
        discount=bill.discount,
        vat=bill.vat + before.adjusted_vat,
        discount_ppm=bill.discount_ppm,
        vat_exempt=bill.vat_exempt,
        bill_policy_version=version,
        standing=bill.active,
        bill_seq=line.seq if bill.active else 0,
    )
    return after, (*_header(command, command.requested_on, before)[:-1], version)


EFFECTS: dict[type, Callable[[Any, Case], Effect | str]] = {
    PaymentReceived: _payment,
    RefundMade: _refund,
    DiscountGranted: _discount,
    AdjustmentMade: _adjustment,
    CancellationRequested: _cancellation,
    Changed: _change,
    BillUpToSet: _bill_up_to,
    RebillRequested: _rebill,
}


def _header(command: Any, day: date, names: Line) -> Header:
    """The header of a command with a reason; the policy version is that of the period's bill."""
    version = names.bill_policy_version
    return command.command_id, None, day, command.actor, command.reason, version


def _holds(case: Case, label: str | None, day: date) -> bool:
    """Whether a period is the one that was named, or the posting period of a day
    (docs/rules.md#posting-period)."""
    line = case.line
    if label is not None:
        return line.period == label
    return (line.coverage_from <= day or case.first) and (day < line.coverage_to or case.last)


def _covering(day: date) -> str:
    return f"the one that covers {day}"


def _priced(before: Line, bill: Bill, seq: int) -> Line:
    """Return the period with its recurring part priced anew; adjustments and granted discounts
    stay. A skip row that gets an active day becomes the period's bill."""
    becomes = bill.active and not before.bill_seq
    return before._replace(
        coverage_to=bill.coverage_to,
        charge=bill.charge + before.adjusted_charge,
        discount=bill.discount + before.granted_discount,
        vat=bill.vat + before.adjusted_vat - before.granted_vat,
        standing=becomes or before.standing,
        bill_seq=seq if becomes else before.bill_seq,
    )


def _reversed(cancels: str, case: Case) -> Line | str:
    """Return the period without what the cancelled command did to it."""
    before, target = case.before, case.moved.get(cancels)
    if cancels.startswith("bill/"):
        if cancels != f"bill/{before.customer_id}/{before.period}":
            return f"that of {cancels}"
        return before._replace(
            charge=before.adjusted_charge,
            discount=0,
            vat=before.adjusted_vat,
            granted_discount=0,
            granted_vat=0,
            gifts=0,
            gifts_vat=0,
            standing=False,
        )
    if target is None:
        return f"that of {cancels}, which left no line"
    taken, line = target
    if line.period != before.period:
        return line.period
    if line.kind == "reversal" and (line.reverses or "").startswith("bill/"):
        return _restored(before, taken, case)
    moved = {
        name: getattr(before, name) - getattr(line, name) + getattr(taken, name)
        for name in ADDED_UP
    }
    vat = before.vat - before.adjusted_vat + moved["adjusted_vat"]
    return before._replace(vat=vat, **moved)


def _restored(before: Line, taken: Line, case: Case) -> Line:
    """Return the period with its cancelled bill back: `taken` is the period before the bill was
    cancelled. It is priced anew by the terms known now, its own rates, percent and anchor."""
    frozen = {name: getattr(taken, name) for name in OF_THE_BILL}
    charge, discount, vat = taken.recurring_charge, taken.recurring_discount, taken.recurring_vat
    if not case.earlier:
        policy = case.policies[taken.bill_policy_version]
        bill = reprice(case.terms, taken, policy, before.coverage_to)
        charge, discount, vat = bill.charge, bill.discount, bill.vat
    return before._replace(
        charge=charge + before.adjusted_charge,
        discount=discount,
        vat=vat + before.adjusted_vat,
        granted_discount=0,
        granted_vat=0,
        **frozen,
    )


OF_THE_BILL = (
    "gifts", "gifts_vat", "anchor_day", "discount_ppm", "vat_exempt", "bill_policy_version",
    "standing", "bill_seq",
)  # fmt: skip
ADDED_UP = ("charge", "paid", "adjusted_charge", "adjusted_vat", "gifts", "gifts_vat")
