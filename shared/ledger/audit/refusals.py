"""Whether a command must be refused, and why: docs/rules.md written a second time, for the audit.

Nothing here is shared with the handlers. What is known of the customer comes from the lines before
the command. Who holds a payment reference cannot be known from one customer, so that is given.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any, Literal, NamedTuple

from shared.ledger.audit.allowed import AHEAD_DAYS_MAX, lacks_price, not_allowed
from shared.ledger.audit.effects import Moved
from shared.ledger.audit.terms import account_of, terms_after
from shared.ledger.charge import charge
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
    SignedUp,
)
from shared.ledger.line import Line
from shared.ledger.money import PPM
from shared.ledger.period import anchor_in, label_of, months_after, months_between
from shared.ledger.policy.policy import Policy
from shared.ledger.policy.prices import PriceList
from shared.ledger.reasons import Reason
from shared.ledger.references import reference_of
from shared.ledger.terms import Terms, value_on

BILLS_AT_ONCE_MAX = 36
MONTHS_AHEAD_MAX = 36
WAITS: Literal["parked"] = "parked"
"""Neither refused nor accepted: the command waits for a signup or a first period."""
MONEY_OR_MORE = ("payment", "discount", "adjustment", "refund", "reversal")
"""Kinds of lines whose command can be cancelled."""


class Known(NamedTuple):
    """What was known when a command was judged.

    `signup` is the accepted one, None before it. `heads` are the latest lines by label, ascending;
    `moved` what each command did; `commands` every command of the customer by id. `terms` returns
    the terms at that place. `held` is true where another payment held the payment's reference, or
    another customer went by the username. `earlier`: by the rules of releases before 2026-12.
    """

    signup: SignedUp | None
    heads: dict[str, Line]
    moved: Mapping[str, Moved]
    commands: Mapping[str, Command]
    terms: Callable[[], Terms]
    policy: Policy
    business_date: date
    held: bool
    earlier: bool = False

    @property
    def last(self) -> Line:
        return next(reversed(self.heads.values()))

    @property
    def billed_through(self) -> date:
        assert self.signup is not None
        return self.last.coverage_to if self.heads else self.signup.bill_from

    @property
    def billed(self) -> list[date]:
        """The first days of the periods, and the first day not billed yet."""
        return [*(line.coverage_from for line in self.heads.values()), self.billed_through]

    @property
    def came_in(self) -> int:
        """Live payments and opening credit, less live refunds."""
        assert self.signup is not None
        return sum(line.paid for line in self.heads.values()) - min(0, self.signup.opening_due)

    def is_taken_back(self, command_id: str) -> bool:
        """Whether a command has a cancellation that was not itself cancelled."""
        return any(not any(self._reversals(each)) for each in self._reversals(command_id))

    def was_ever_taken_back(self, command_id: str) -> bool:
        return any(self._reversals(command_id))

    def _reversals(self, command_id: str) -> Iterator[str]:
        return (by for by, moved in self.moved.items() if moved.line.reverses == command_id)


def reason_against(command: Command, known: Known) -> Reason | Literal["parked"] | None:
    """Return the reason to refuse a command, `WAITS` to park it, or None to accept it."""
    signing_up = isinstance(command, SignedUp)
    if known.signup is None and not signing_up:
        return WAITS
    return (
        not_allowed(command, known.policy, known.earlier)
        or (WAITS if not known.heads and not isinstance(command, SignedUp | Changed) else None)
        or REASONS[type(command)](command, known)
    )


# Customers ----------------------------------------------------------------------------------


def _signup(command: SignedUp, known: Known) -> Reason | None:
    if known.signup is not None:
        return "already_signed_up"
    if (reason := _against_both(command, command.signed_up_on, known)) is not None:
        return reason
    until = max(known.business_date, command.signed_up_on)
    prices = known.policy.price_list
    bills, _ = _bills(account_of(command).terms, command.bill_from, until, prices)
    return "too_many_periods" if bills > BILLS_AT_ONCE_MAX else None


def _against_both(command: SignedUp | Changed, day: date, known: Known) -> Reason | None:
    """Return why neither a signup nor a change may say this; `day` is its local date."""
    if lacks_price(command, known.policy):
        return "unknown_price"
    if known.held and command.username is not None:
        return "username_taken"
    if known.business_date == date.min or known.earlier:
        return None
    return "gap_too_large" if (day - known.business_date).days > AHEAD_DAYS_MAX else None


def _change(command: Changed, known: Known) -> Reason | None:
    signup = known.signup
    assert signup is not None
    if command.effective_on < signup.joined_on:
        return "before_joining"
    if (reason := _against_both(command, command.changed_on, known)) is not None:
        return reason
    until, prices = max(known.business_date, command.changed_on), known.policy.price_list
    before = known.terms()
    bills, starts = _bills(before, known.billed_through, until, prices)
    billed = [*known.billed[:-1], *starts]
    after = terms_after(before, command, signup.joined_on, billed, known.earlier)
    more, _ = _bills(after, starts[-1], known.business_date, prices)
    return "too_many_periods" if bills + more > BILLS_AT_ONCE_MAX else None


def _bills(terms: Terms, starts: date, until: date, prices: PriceList) -> tuple[int, list[date]]:
    """Count the bills due from `starts` to `until`, not skip rows; return the first day of each
    period too, and the coverage end."""
    count, days = 0, [starts]
    while days[-1] <= until and not terms.left_for_good_on(days[-1]):
        ends, anchor = _next_anchor(terms, days[-1])
        count += charge(terms, days[-1], ends, anchor, prices)[1]
        days.append(ends)
    return count, days


def _next_anchor(terms: Terms, starts: date) -> tuple[date, int]:
    anchor = value_on(terms.cycle, starts).day
    return anchor_in(months_after(label_of(starts), 1), anchor), anchor


# Money --------------------------------------------------------------------------------------


def _payment(command: PaymentReceived, known: Known) -> Reason | None:
    has_one = reference_of(command.method, command.reference) is not None
    return "reference_already_used" if known.held and has_one else None


def _discount(command: DiscountGranted, known: Known) -> Reason | None:
    line = _posting_period(command.period, command.granted_on, known)
    if line is None:
        return "unknown_period"
    if not line.standing:
        return "no_standing_bill"
    if line.billed < command.amount:
        return "exceeds_bill"
    return _beyond_limit(command.actor, command.amount, line, known)


def _beyond_limit(actor: str | None, amount: int, line: Line, known: Known) -> Reason | None:
    member = known.policy.staff.get(actor or "")
    if member is None or member.discount_ppm_max is None:
        return None
    together = amount
    for command_id, (before, granted) in known.moved.items():
        on_this_bill = (granted.period, granted.bill_seq) == (line.period, line.bill_seq)
        if granted.kind == "discount" and granted.actor == actor and on_this_bill:
            together += 0 if known.is_taken_back(command_id) else granted.gifts - before.gifts
    before_all = line.billed + line.granted_discount + line.granted_vat
    return "over_limit" if together * PPM > member.discount_ppm_max * before_all else None


def _adjustment(command: AdjustmentMade, known: Known) -> Reason | None:
    found = _posting_period(command.period, command.made_on, known)
    return "unknown_period" if found is None else None


def _refund(command: RefundMade, known: Known) -> Reason | None:
    if command.payment_id is None:
        return _beyond_credit(command.amount, known)
    payment = f"payment/{command.payment_id}"
    if payment not in known.moved or known.moved[payment].line.kind != "payment":
        return "unknown_target"
    if known.is_taken_back(payment):
        return "already_cancelled"
    return "exceeds_payment" if command.amount > _may_go_out(payment, known) else None


def _beyond_credit(amount: int, known: Known) -> Reason | None:
    return "exceeds_credit" if amount > min(-known.last.due, known.came_in) else None


def _may_go_out(payment: str, known: Known) -> int:
    """Return the part of a payment that was not refunded, or less where less came in."""
    left = _left_of(payment, known)
    return left if known.earlier else min(left, known.came_in)


def _left_of(payment: str, known: Known) -> int:
    """Return the part of a payment that was not refunded."""
    before, line = known.moved[payment]
    return line.paid - before.paid - sum(_live_refunds(payment, known))


def _live_refunds(payment: str, known: Known) -> Iterator[int]:
    for command_id, (before, line) in known.moved.items():
        named = getattr(known.commands.get(command_id), "payment_id", None)
        names_it = line.kind == "refund" and payment == f"payment/{named}"
        if names_it and not known.is_taken_back(command_id):
            yield before.paid - line.paid


def _posting_period(label: str | None, day: date, known: Known) -> Line | None:
    if label is not None:
        return known.heads.get(label)
    begun = [line for line in known.heads.values() if line.coverage_from <= day]
    return begun[-1] if begun else next(iter(known.heads.values()))


# Corrections --------------------------------------------------------------------------------


def _cancellation(command: CancellationRequested, known: Known) -> Reason | None:
    target = command.cancels
    if target.startswith("bill/"):
        return _against_no_bill(target, known)
    if target not in known.moved or known.moved[target].line.kind not in MONEY_OR_MORE:
        return "unknown_target"
    _, line = known.moved[target]
    head = known.heads[line.period]
    if line.kind == "reversal":
        return _against_undo(target, line.reverses or "", head, known)
    if known.is_taken_back(target) or (line.kind == "discount" and not _is_on(line, head)):
        return "already_cancelled"
    if line.kind == "payment" and any(_live_refunds(target, known)):
        return "has_refunds"
    before = known.moved[target].before
    if line.kind == "payment" and not known.earlier and line.paid - before.paid > known.came_in:
        return "has_refunds"
    return None


def _against_no_bill(target: str, known: Known) -> Reason | None:
    assert known.signup is not None
    for label, line in known.heads.items():
        if target == f"bill/{known.signup.customer_id}/{label}":
            if line.standing:
                return None
            billed_once = line.bill_seq > 0 or known.was_ever_taken_back(target)
            return "already_cancelled" if billed_once else "unknown_target"
    return "unknown_target"


def _against_undo(reversal: str, target: str, head: Line, known: Known) -> Reason | None:
    """Return why the cancellation of `target` may not be cancelled."""
    if target.startswith("cancellation/"):
        return "not_cancellable"
    if known.was_ever_taken_back(reversal):
        return "already_cancelled"
    if target.startswith("bill/"):
        return "superseded" if head.standing else None
    before, line = known.moved[target]
    if line.kind == "discount":
        if not _is_on(line, head):
            return "superseded"
        amount = line.gifts - before.gifts
        return None if known.earlier else _beyond_limit(line.actor, amount, head, known)
    if line.kind == "payment":
        asked: Any = known.commands[target]
        return _payment(asked, known)
    if line.kind == "refund":
        amount, named = before.paid - line.paid, getattr(known.commands[target], "payment_id", None)
        if named is None:
            return _beyond_credit(amount, known)
        payment = f"payment/{named}"
        if known.is_taken_back(payment) or amount > _may_go_out(payment, known):
            return "exceeds_payment"
    return None


def _is_on(discount: Line, head: Line) -> bool:
    """Whether the bill that a discount was granted on still stands."""
    return head.standing and head.bill_seq == discount.bill_seq


# Bills by hand ------------------------------------------------------------------------------


def _bill_up_to(command: BillUpToSet, known: Known) -> Reason | None:
    ends, at = command.up_to + timedelta(days=1), known.billed_through
    if at >= ends:
        return "already_billed"
    months = months_between(label_of(at), label_of(ends))
    terms, starts = known.terms(), at
    for left in range(months, 0, -1):
        if terms.left_for_good_on(starts):
            return "customer_left"
        starts = _next_anchor(terms, starts)[0] if left > 1 else starts
    if terms.left_for_good_on(at):
        return "customer_left"
    if months > MONTHS_AHEAD_MAX:
        return "too_many_periods"
    cancelled = known.last.bill_seq > 0 and not known.last.standing
    return "bill_cancelled" if months == 0 and cancelled else None


def _rebill(command: RebillRequested, known: Known) -> Reason | None:
    line = known.heads.get(command.period)
    if line is None or line.bill_seq == 0:
        return "unknown_period"
    return "already_billed" if line.standing else None


REASONS: dict[type, Callable[[Any, Known], Reason | None]] = {
    SignedUp: _signup,
    Changed: _change,
    PaymentReceived: _payment,
    DiscountGranted: _discount,
    AdjustmentMade: _adjustment,
    RefundMade: _refund,
    CancellationRequested: _cancellation,
    BillUpToSet: _bill_up_to,
    RebillRequested: _rebill,
}
