"""Payments, discounts, adjustments and refunds: each posts to one period (contract §4)."""

from datetime import date
from typing import Any

from shared.ledger.account import Account
from shared.ledger.commands import AdjustmentMade, DiscountGranted, PaymentReceived, RefundMade
from shared.ledger.errors import Refused
from shared.ledger.money import PPM, round_half_up
from shared.ledger.posting import By, Posting
from shared.ledger.world import World


def on_payment(account: Account, event: PaymentReceived, world: World) -> None:
    """Raise `paid` of the period that covers the day on which the money was received."""
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
    """Lower `billed` of a period by exactly the amount, of which VAT takes its share."""
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
    account.post_one("discount", by, index, grant(line, event.amount - vat, vat), world)


def on_adjustment(account: Account, event: AdjustmentMade, world: World) -> None:
    """Add a net amount to the charge of a period, and VAT at the rates of the day it was made."""
    index = _period(account, event.period, event.made_on)
    line = account.periods[index]
    vat = world.policy.vat(event.amount, event.made_on, line.vat_exempt)
    by = By(event.command_id, event.made_on, event.actor, event.reason)
    changes = adjust(line, event.amount, vat) | {"policy_version": world.policy.version}
    account.post_one("adjustment", by, index, changes, world)


def on_refund(account: Account, event: RefundMade, world: World) -> None:
    """Lower `paid`: money of a named payment, or of the customer's credit, goes back."""
    payment = None if event.payment_id is None else f"payment/{event.payment_id}"
    if payment is None:
        check_credit(account, event.amount)
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
    discount, vat = granted(posting)
    return discount + vat


def refunded(account: Account, payment: str) -> int:
    """Return the sum of the live refunds that name a payment."""
    assert account.postings is not None
    return sum(
        -posting.paid
        for posting in account.postings
        if posting.payment == payment and not account.reversals_of(posting.line.command_id)
    )


def check_credit(account: Account, amount: int) -> None:
    """Refuse a refund of more than the credit, or of more than came in."""
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


def granted(posting: Posting) -> tuple[int, int]:
    line, before = posting.line, posting.before
    return (
        line.granted_discount - before.granted_discount,
        line.granted_vat - before.granted_vat,
    )


def grant(line: Any, discount: int, vat: int) -> dict[str, Any]:
    return {
        "discount": line.discount + discount,
        "vat": line.vat - vat,
        "granted_discount": line.granted_discount + discount,
        "granted_vat": line.granted_vat + vat,
    }


def adjust(line: Any, charge: int, vat: int) -> dict[str, Any]:
    return {
        "charge": line.charge + charge,
        "vat": line.vat + vat,
        "adjusted_charge": line.adjusted_charge + charge,
        "adjusted_vat": line.adjusted_vat + vat,
    }


def adjusted(posting: Posting) -> tuple[int, int]:
    line, before = posting.line, posting.before
    return line.adjusted_charge - before.adjusted_charge, line.adjusted_vat - before.adjusted_vat
