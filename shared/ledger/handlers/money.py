"""Payments, discounts, adjustments, refunds: each posts to one period (docs/rules.md#payment)."""

from datetime import date
from typing import Any

from shared.ledger.account import Account, Claim
from shared.ledger.commands import AdjustmentMade, DiscountGranted, PaymentReceived, RefundMade
from shared.ledger.errors import Refused
from shared.ledger.money import PPM, round_half_up
from shared.ledger.posting import By, Posting
from shared.ledger.references import Reference, may_hold, reference_of
from shared.ledger.terms import value_on
from shared.ledger.world import World


def on_payment(account: Account, event: PaymentReceived, world: World) -> None:
    """Raise `paid` of the period that covers the day on which the money was received."""
    reference = reference_of(event.method, event.reference)
    if reference is not None:
        claim_reference(account, reference, event.command_id, event.shared, world)
    index = account.period_covering(event.received_on)
    account.post_one(
        "payment",
        By(event.command_id, event.received_on, event.actor),
        index,
        {"paid": account.periods[index].paid + event.amount},
        world,
        method=event.method,
        reference=event.reference,
        shared=event.shared,
    )


def claim_reference(
    account: Account, reference: Reference, payment: str, shared: bool, world: World
) -> None:
    """Let a payment hold its reference; refused where another one holds it already."""
    if not may_hold(world.references.get(reference), shared):
        raise Refused("reference_already_used")
    account.claims.append(Claim(reference, payment, True, shared))


def on_discount(account: Account, event: DiscountGranted, world: World) -> None:
    """Lower `billed` of a period by exactly the amount, of which VAT takes its share."""
    index = _period(account, event.period, event.granted_on)
    line = account.periods[index]
    if not line.standing:
        raise Refused("no_standing_bill")
    if event.amount > line.billed:
        raise Refused("exceeds_bill")
    check_limit(account, index, event.actor, event.amount, world)
    vat = round_half_up(event.amount * line.vat, line.billed)
    by = By(event.command_id, event.granted_on, event.actor, event.reason)
    account.post_one("discount", by, index, give(line, event.amount, vat), world)


def check_limit(account: Account, index: int, actor: str | None, amount: int, world: World) -> None:
    """Refuse a granted discount that, together with the actor's own live ones on the bill, is more
    than they may grant of what was billed before all live ones (docs/rules.md#discount-granted)."""
    limit_ppm = world.policy.discount_ppm_max(actor)
    if limit_ppm is None:
        return
    line = account.periods[index]
    own = sum(
        posting.gifts for posting in live_discounts(account, index) if posting.line.actor == actor
    )
    whole = line.billed + line.granted_discount + line.granted_vat
    if (own + amount) * PPM > limit_ppm * whole:
        raise Refused("over_limit")


def on_adjustment(account: Account, event: AdjustmentMade, world: World) -> None:
    """Add a net amount to the charge of a period, and VAT on it.

    A credit on a standing bill takes the rates and the exemption frozen with that bill; anything
    else is a new sale, at the rates and the exemption of the day it was made
    (docs/rules.md#adjustment).
    """
    index = _period(account, event.period, event.made_on)
    line = account.periods[index]
    if event.amount < 0 and line.standing:
        policy, day, exempt = (
            world.policies[line.bill_policy_version], line.coverage_from, line.vat_exempt,
        )  # fmt: skip
    else:
        policy, day = world.policy, event.made_on
        exempt = value_on(account.terms.vat_exempt, day)
    vat = policy.vat(event.amount, day, exempt or event.vat_exempt)
    by = By(event.command_id, event.made_on, event.actor, event.reason)
    changes = adjust(line, event.amount, vat) | {"policy_version": policy.version}
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
        left = target.paid - refunded(account, payment)
        if event.amount > min(left, came_in(account)):
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


def refunded(account: Account, payment: str) -> int:
    """Return the sum of the live refunds that name a payment."""
    assert account.postings is not None
    return sum(
        -posting.paid
        for posting in account.postings
        if posting.payment == payment and not account.reversals_of(posting.line.command_id)
    )


def came_in(account: Account) -> int:
    """Return the money that may still go out: live payments and opening credit, less live refunds.
    Money that never came in cannot go out."""
    return sum(line.paid for line in account.periods) + max(0, -account.opening_due)


def check_credit(account: Account, amount: int) -> None:
    """Refuse a refund of more than the credit, or of more than came in."""
    if amount > min(-account.due, came_in(account)):
        raise Refused("exceeds_credit")


def _period(account: Account, label: str | None, day: date) -> int:
    if label is None:
        return account.period_covering(day)
    index = account.index_of(label)
    if index is None:
        raise Refused("unknown_period")
    return index


def give(line: Any, gifts: int, gifts_vat: int) -> dict[str, Any]:
    """Return the fields of a period with more granted discounts, or fewer below zero; what they
    take follows from them (`gifts.py`)."""
    return {"gifts": line.gifts + gifts, "gifts_vat": line.gifts_vat + gifts_vat}


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
