"""What each command does, one function a command, in the words of contract §4.

A handler gets a fork of the account that it may change freely: when it raises `Refused`,
the fork is dropped and with it every bill made on the way.
"""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from shared.ledger.account import Account, By, Contact, Posting, World
from shared.ledger.charge import coverage_end, price, reprice
from shared.ledger.commands import (
    AdjustmentMade,
    BillUpToSet,
    CancellationRequested,
    Changed,
    DiscountGranted,
    PaymentReceived,
    RebillRequested,
    RefundMade,
    SignedUp,
)
from shared.ledger.errors import Refused
from shared.ledger.money import PPM, round_half_up
from shared.ledger.period import anchor_in, label_of, months_between
from shared.ledger.terms import Cycle, Terms, always, said, value_on

BILLS_MAX = 36
"""More bills than this in one command are a mistake (contract §4, `too_many_periods`)."""
AHEAD_MONTHS_MAX = 36


# Customers ----------------------------------------------------------------------------------


def open_account(event: SignedUp) -> Account:
    """Return the account that a signup opens, before any bill."""
    return Account(
        customer_id=event.customer_id,
        joined_on=event.joined_on,
        bill_from=event.bill_from,
        opening_due=event.opening_due,
        terms=Terms(
            package=always(event.package),
            cycle=always(_anchored(event.cycle, event.joined_on)),
            mode=always(event.mode),
            vip=always(event.vip),
            discount_ppm=always(event.discount_ppm),
            vat_exempt=always(event.vat_exempt),
        ),
        contact=Contact(always(event.name), always(event.phone), always(event.language)),
    )


def on_signed_up(account: Account, event: SignedUp, world: World) -> None:
    """Bill at once every label whose bill day has come, from `bill_from` on."""
    until = max(world.business_date, event.signed_up_on)
    if account.bill_through(until, world, event.actor) > BILLS_MAX:
        raise Refused("too_many_periods")


def on_changed(account: Account, event: Changed, world: World) -> None:
    """Bill what was due under the terms before, take the new ones, prorate, bill on."""
    if event.effective_on < account.joined_on:
        raise Refused("before_joining")
    until = max(world.business_date, event.changed_on)
    bills = account.bill_through(until, world, event.actor)
    reaches_back = take_terms(account, event)
    if reaches_back:
        _prorate(account, event, world)
    bills += account.bill_through(world.business_date, world, event.actor)
    if bills > BILLS_MAX:
        raise Refused("too_many_periods")


def take_terms(account: Account, event: Changed) -> bool:
    """Replace what was known about each named field from its day on; tell whether charging
    is to reach back into periods already billed."""
    terms, day = account.terms, event.effective_on
    for_bills = max(event.effective_on, event.changed_on)
    unbilled = max(event.effective_on, account.billed_through)
    timelines: dict[str, Any] = {}
    reaches_back = False
    if event.package is not None:
        back = event.prorate is not False
        timelines["package"] = said(terms.package, day if back else unbilled, event.package)
        reaches_back |= back
    if event.status is not None:
        back = event.status == "active" if event.prorate is None else event.prorate
        timelines["status"] = said(terms.status, day if back else unbilled, event.status)
        timelines["shown"] = said(terms.shown, day, event.status)
        reaches_back |= back
    if event.cycle is not None:
        cycle = _anchored(event.cycle, account.joined_on)
        timelines["cycle"] = said(terms.cycle, for_bills, cycle)
    for name in ("mode", "vip", "discount_ppm", "vat_exempt"):
        value = getattr(event, name)
        if value is not None:
            timelines[name] = said(getattr(terms, name), for_bills, value)
    if timelines:
        account.terms = terms.changed(**timelines)
    if event.name is not None or event.phone is not None or event.language is not None:
        assert account.contact is not None
        account.contact = Contact(
            *(
                line if value is None else said(line, day, value)
                for line, value in zip(
                    account.contact, (event.name, event.phone, event.language), strict=True
                )
            )
        )
    return reaches_back


def _prorate(account: Account, event: Changed, world: World) -> None:
    """Append a proration to each period that ends after the change takes effect, its bill
    standing or a skip row, whose recurring charge changes."""
    changes = {}
    for index, line in enumerate(account.periods):
        if line.coverage_to > event.effective_on and not line.cancelled:
            bill = reprice(account.terms, line, world.policies[line.bill_policy_version])
            if bill.charge != line.recurring_charge:
                changes[index] = account.recurring(index, bill)
    if changes:
        by = By(event.command_id, event.effective_on, event.actor)
        account.post("proration", by, changes, world)


def _anchored(cycle: Cycle, joined_on: date) -> Cycle:
    """Resolve the stored anchor day of a cycle (contract §2)."""
    if cycle.kind == "custom":
        return cycle
    return Cycle(cycle.kind, 1 if cycle.kind == "start_of_month" else joined_on.day)


# Money --------------------------------------------------------------------------------------


def on_payment(account: Account, event: PaymentReceived, world: World) -> None:
    """Raise what was paid of the period that covers the day it was received."""
    if event.reference is not None:
        if (event.method, event.reference) in world.references:
            raise Refused("reference_already_used")
        account.claims.append(((event.method, event.reference), event.command_id))
    index = account.period_covering(event.received_on)
    account.post_one(
        "payment",
        By(event.command_id, event.received_on, event.actor),
        index,
        {"paid": account.periods[index].paid + event.amount},
        world,
        method=event.method,
        reference=event.reference,
    )


def on_discount(account: Account, event: DiscountGranted, world: World) -> None:
    """Lower the billed of a period by exactly the amount; VAT bears its share."""
    index = _period(account, event.period, event.granted_on)
    line = account.periods[index]
    if not line.standing:
        raise Refused("no_standing_bill")
    if event.amount > line.billed:
        raise Refused("exceeds_bill")
    limit_ppm = world.policy.discount_ppm_max(event.actor)
    if limit_ppm is not None:
        own = sum(
            granted_by(posting)
            for posting in live_discounts(account, index)
            if posting.line.actor == event.actor
        )
        whole = line.billed + line.granted_discount + line.granted_vat
        if (own + event.amount) * PPM > limit_ppm * whole:
            raise Refused("over_limit")
    vat = round_half_up(event.amount * line.vat, line.billed)
    by = By(event.command_id, event.granted_on, event.actor, event.reason)
    account.post_one("discount", by, index, _grant(line, event.amount - vat, vat), world)


def on_adjustment(account: Account, event: AdjustmentMade, world: World) -> None:
    """Add a net amount to the charge of a period, and VAT at the rates of the day it was made."""
    index = _period(account, event.period, event.made_on)
    line = account.periods[index]
    vat = world.policy.vat(event.amount, event.made_on, line.vat_exempt)
    by = By(event.command_id, event.made_on, event.actor, event.reason)
    changes = _adjust(line, event.amount, vat) | {"policy_version": world.policy.version}
    account.post_one("adjustment", by, index, changes, world)


def on_refund(account: Account, event: RefundMade, world: World) -> None:
    """Lower what was paid: of a named payment, or of the customer's credit."""
    payment = None if event.payment_id is None else f"payment/{event.payment_id}"
    if payment is None:
        _check_credit(account, event.amount)
    else:
        target = account.posting(payment)
        if target is None or target.line.kind != "payment":
            raise Refused("unknown_target")
        if account.reversals_of(payment):
            raise Refused("already_cancelled")
        if event.amount > target.paid - refunded(account, payment):
            raise Refused("exceeds_payment")
    index = account.period_covering(event.refunded_on)
    by = By(event.command_id, event.refunded_on, event.actor, event.reason)
    changes = {"paid": account.periods[index].paid - event.amount}
    account.post_one("refund", by, index, changes, world, payment=payment)


def live_discounts(account: Account, index: int) -> list[Posting]:
    """Return the granted discounts that count on the bill standing in a period."""
    line = account.periods[index]
    assert account.postings is not None
    return [
        posting
        for posting in account.postings
        if posting.line.kind == "discount"
        and posting.line.period == line.period
        and posting.line.bill_seq == line.bill_seq
        and not account.reversals_of(posting.line.command_id)
    ]


def granted_by(posting: Posting) -> int:
    """Return the amount that a discount, or the reversal of one, added to what was granted."""
    discount, vat = _granted(posting)
    return discount + vat


def refunded(account: Account, payment: str) -> int:
    """Return the sum of the live refunds that name a payment."""
    assert account.postings is not None
    return sum(
        -posting.paid
        for posting in account.postings
        if posting.payment == payment and not account.reversals_of(posting.line.command_id)
    )


def _check_credit(account: Account, amount: int) -> None:
    """Refuse to give out money that is not owed back, or that never came in."""
    came_in = sum(line.paid for line in account.periods) + max(0, -account.opening_due)
    if amount > -account.due or amount > came_in:
        raise Refused("exceeds_credit")


def _period(account: Account, label: str | None, day: date) -> int:
    if label is None:
        return account.period_covering(day)
    index = account.index_of(label)
    if index is None:
        raise Refused("unknown_period")
    return index


def _granted(posting: Posting) -> tuple[int, int]:
    line, before = posting.line, posting.before
    return (
        line.granted_discount - before.granted_discount,
        line.granted_vat - before.granted_vat,
    )


def _grant(line: Any, discount: int, vat: int) -> dict[str, Any]:
    return {
        "discount": line.discount + discount,
        "vat": line.vat - vat,
        "granted_discount": line.granted_discount + discount,
        "granted_vat": line.granted_vat + vat,
    }


def _adjust(line: Any, charge: int, vat: int) -> dict[str, Any]:
    return {
        "charge": line.charge + charge,
        "vat": line.vat + vat,
        "adjusted_charge": line.adjusted_charge + charge,
        "adjusted_vat": line.adjusted_vat + vat,
    }


# Corrections --------------------------------------------------------------------------------


def on_cancellation(account: Account, event: CancellationRequested, world: World) -> None:
    """Append one reversal in the target's own period: the exact opposite of what it did."""
    if event.cancels.startswith("bill/"):
        index, changes = _without_bill(account, event.cancels)
    else:
        target = account.posting(event.cancels)
        if target is None:
            raise Refused("unknown_target")
        found = account.index_of(target.line.period)
        assert found is not None
        index = found
        if target.line.kind == "reversal":
            changes = _undo(account, index, target, world)
        else:
            changes = _opposite(account, index, target)
    by = By(event.command_id, event.requested_on, event.actor, event.reason, event.cancels)
    account.post_one("reversal", by, index, changes, world)


def _without_bill(account: Account, target: str) -> tuple[int, dict[str, Any]]:
    """Take a period's recurring charge, discount, VAT and live granted discounts to zero."""
    customer_id, _, label = target.removeprefix("bill/").rpartition("/")
    index = account.index_of(label) if _is_label(label) else None
    if customer_id != account.customer_id or index is None:
        raise Refused("unknown_target")
    line = account.periods[index]
    if not line.standing:
        assert account.postings is not None
        was_billed = line.cancelled or any(p.line.reverses == target for p in account.postings)
        raise Refused("already_cancelled" if was_billed else "unknown_target")
    return index, {
        "charge": line.adjusted_charge,
        "discount": 0,
        "vat": line.adjusted_vat,
        "granted_discount": 0,
        "granted_vat": 0,
        "standing": False,
    }


def _opposite(account: Account, index: int, target: Posting) -> dict[str, Any]:
    """Cancel a payment, discount, adjustment or refund."""
    line, command_id = account.periods[index], target.line.command_id
    cancelled = bool(account.reversals_of(command_id))
    if target.line.kind == "discount":
        cancelled |= not _counts(target, line)
    if cancelled:
        raise Refused("already_cancelled")
    if target.line.kind == "discount":
        discount, vat = _granted(target)
        return _grant(line, -discount, -vat)
    if target.line.kind == "adjustment":
        return _adjust(line, -_adjusted(target)[0], -_adjusted(target)[1])
    if target.line.kind == "payment":
        if refunded(account, command_id):
            raise Refused("has_refunds")
        if target.method is not None and target.reference is not None:
            account.claims.append(((target.method, target.reference), None))
    return {"paid": line.paid - target.paid}


def _undo(account: Account, index: int, reversal: Posting, world: World) -> dict[str, Any]:
    """Cancel a cancellation: restore what it took as it was, not re-priced."""
    line, target = account.periods[index], reversal.line.reverses
    assert target is not None
    if target.startswith("cancellation/"):
        raise Refused("not_cancellable")
    if any(p.line.reverses == reversal.line.command_id for p in account.postings or ()):
        raise Refused("already_cancelled")
    if target.startswith("bill/"):
        return _with_bill(line, reversal)
    original = account.posting(target)
    assert original is not None
    if original.line.kind == "discount":
        if not _counts(original, line):
            raise Refused("superseded")
        discount, vat = _granted(reversal)
        return _grant(line, -discount, -vat)
    if original.line.kind == "adjustment":
        return _adjust(line, -_adjusted(reversal)[0], -_adjusted(reversal)[1])
    if original.line.kind == "refund":
        _check_refund_fits(account, original)
    elif original.method is not None and original.reference is not None:
        if (original.method, original.reference) in world.references:
            raise Refused("reference_already_used")
        account.claims.append(((original.method, original.reference), target))
    return {"paid": line.paid - reversal.paid}


def _with_bill(line: Any, reversal: Posting) -> dict[str, Any]:
    """Put a cancelled bill back, with its discounts and the terms frozen in it."""
    if line.standing:
        raise Refused("superseded")
    taken = reversal.before
    return {
        "charge": taken.charge - taken.adjusted_charge + line.adjusted_charge,
        "discount": taken.discount,
        "vat": taken.vat - taken.adjusted_vat + line.adjusted_vat,
        "granted_discount": taken.granted_discount,
        "granted_vat": taken.granted_vat,
        "anchor_day": taken.anchor_day,
        "discount_ppm": taken.discount_ppm,
        "vat_exempt": taken.vat_exempt,
        "bill_policy_version": taken.bill_policy_version,
        "policy_version": taken.bill_policy_version,
        "bill_seq": taken.bill_seq,
        "standing": True,
    }


def _check_refund_fits(account: Account, refund: Posting) -> None:
    """Refuse to restore a refund that its payment, or the credit, no longer allows."""
    amount = -refund.paid
    if refund.payment is None:
        _check_credit(account, amount)
        return
    payment = account.posting(refund.payment)
    assert payment is not None
    left = payment.paid - refunded(account, refund.payment)
    if account.reversals_of(refund.payment) or amount > left:
        raise Refused("exceeds_payment")


def _counts(discount: Posting, line: Any) -> bool:
    """Whether the bill that a discount was granted on is the one that stands."""
    return bool(line.standing) and discount.line.bill_seq == line.bill_seq


def _adjusted(posting: Posting) -> tuple[int, int]:
    line, before = posting.line, posting.before
    return line.adjusted_charge - before.adjusted_charge, line.adjusted_vat - before.adjusted_vat


def _is_label(text: str) -> bool:
    return len(text) == 7 and text[4] == "-" and (text[:4] + text[5:]).isdecimal()


# Bills by hand ------------------------------------------------------------------------------


def on_bill_up_to(account: Account, event: BillUpToSet, world: World) -> None:
    """Bill ahead so that coverage ends exactly after `up_to`."""
    ends, opened = event.up_to + timedelta(days=1), account.billed_through
    if ends <= opened:
        raise Refused("already_billed")
    starts = _starts_on_the_way(account, ends)
    if any(account.terms.left_for_good_on(day) for day in starts):
        raise Refused("customer_left")
    if months_between(label_of(opened), label_of(ends)) > AHEAD_MONTHS_MAX:
        raise Refused("too_many_periods")
    if label_of(ends) == label_of(opened):
        _extend(account, event, ends, world)
    else:
        for _ in starts[1:]:
            account.bill_next(world, event.actor)
        account.bill_next(world, event.actor, ends)
    move_anchor(account, ends)


def _starts_on_the_way(account: Account, ends: date) -> list[date]:
    """Return the first day of each label to be made; the last one ends in the month of `ends`,
    so that the label after it starts in its own month. At least the present coverage end."""
    starts = [account.billed_through]
    while months_between(label_of(starts[-1]), label_of(ends)) > 1:
        starts.append(coverage_end(account.terms, starts[-1]))
    return starts


def _extend(account: Account, event: BillUpToSet, ends: date, world: World) -> None:
    """Grow the last period, re-priced over its longer coverage."""
    index = len(account.periods) - 1
    line = account.periods[index]
    if line.cancelled:
        raise Refused("bill_cancelled")
    bill = reprice(account.terms, line, world.policies[line.bill_policy_version], ends)
    by = By(event.command_id, event.set_on, event.actor)
    account.post("extension", by, {index: account.recurring(index, bill)}, world)


def move_anchor(account: Account, ends: date) -> None:
    """Let a custom cycle take the new day as its anchor; a change planned for later stands."""
    timeline = account.terms.cycle
    cycle = value_on(timeline, ends)
    if cycle.kind != "custom" or anchor_in(label_of(ends), cycle.day) == ends:
        return
    before = [entry for entry in timeline if entry[0] < ends]
    later = [entry for entry in timeline if entry[0] > ends]
    moved = (ends, Cycle("custom", ends.day))
    account.terms = account.terms.changed(cycle=(*before, moved, *later))


def on_rebill(account: Account, event: RebillRequested, world: World) -> None:
    """Make a new bill in the place of a cancelled one: same coverage and anchor, all else as
    known now and read on the days of that coverage."""
    index = account.index_of(event.period)
    if index is None or not account.periods[index].bill_seq:
        raise Refused("unknown_period")
    line = account.periods[index]
    if line.standing:
        raise Refused("already_billed")
    bill = price(account.terms, line.coverage_from, line.coverage_to, line.anchor_day, world.policy)
    changes = {
        "charge": bill.charge + line.adjusted_charge,
        "discount": bill.discount,
        "vat": bill.vat + line.adjusted_vat,
        "discount_ppm": bill.discount_ppm,
        "vat_exempt": bill.vat_exempt,
        "policy_version": world.policy.version,
        "bill_policy_version": world.policy.version,
        "standing": bill.active,
        "bill_seq": account.seq + 1 if bill.active else 0,
    }
    by = By(event.command_id, event.requested_on, event.actor, event.reason)
    account.post("bill" if bill.active else "skip", by, {index: changes}, world)


HANDLERS: dict[type, Callable[[Account, Any, World], None]] = {
    SignedUp: on_signed_up,
    Changed: on_changed,
    PaymentReceived: on_payment,
    DiscountGranted: on_discount,
    AdjustmentMade: on_adjustment,
    RefundMade: on_refund,
    CancellationRequested: on_cancellation,
    BillUpToSet: on_bill_up_to,
    RebillRequested: on_rebill,
}
