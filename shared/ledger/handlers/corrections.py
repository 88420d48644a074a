"""Cancellations and undos: one reversal in the target's period (docs/rules.md#cancellation)."""

from typing import Any

from shared.ledger.account import Account, Claim
from shared.ledger.charge import reprice
from shared.ledger.commands import CancellationRequested
from shared.ledger.errors import Refused
from shared.ledger.handlers.money import (
    adjust,
    adjusted,
    came_in,
    check_credit,
    check_limit,
    claim_reference,
    give,
    refunded,
)
from shared.ledger.line import Line
from shared.ledger.posting import By, Posting
from shared.ledger.world import World


def on_cancellation(account: Account, event: CancellationRequested, world: World) -> None:
    """Append one reversal in the target's own period: the exact opposite of what the target did."""
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
    """Cancel a bill: recurring charge, discount, VAT and live granted discounts become zero."""
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
        "gifts": 0,
        "gifts_vat": 0,
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
        return give(line, -target.gifts, -target.gifts_vat)
    if target.line.kind == "adjustment":
        return adjust(line, -adjusted(target)[0], -adjusted(target)[1])
    if target.line.kind == "payment":
        if refunded(account, command_id) or target.paid > came_in(account):
            raise Refused("has_refunds")
        if target.key is not None:
            account.claims.append(Claim(target.key, command_id, taken=False))
    return {"paid": line.paid - target.paid}


def _undo(account: Account, index: int, reversal: Posting, world: World) -> dict[str, Any]:
    """Cancel a cancellation: restore what it took back as it was; a bill is priced anew."""
    line, target = account.periods[index], reversal.line.reverses
    assert target is not None
    if target.startswith("cancellation/"):
        raise Refused("not_cancellable")
    if any(p.line.reverses == reversal.line.command_id for p in account.postings or ()):
        raise Refused("already_cancelled")
    if target.startswith("bill/"):
        return _with_bill(account, line, reversal, world)
    original = account.posting(target)
    assert original is not None
    if original.line.kind == "discount":
        if not _counts(original, line):
            raise Refused("superseded")
        check_limit(account, index, original.line.actor, original.gifts, world)
        return give(line, -reversal.gifts, -reversal.gifts_vat)
    if original.line.kind == "adjustment":
        return adjust(line, -adjusted(reversal)[0], -adjusted(reversal)[1])
    if original.line.kind == "refund":
        _check_refund_fits(account, original)
    elif original.key is not None:
        claim_reference(account, original.key, target, original.shared, world)
    return {"paid": line.paid - reversal.paid}


def _with_bill(account: Account, line: Line, reversal: Posting, world: World) -> dict[str, Any]:
    """Put a cancelled bill back, with its granted discounts and the terms frozen in it, priced anew
    from the prices and statuses known now: a change made meanwhile counts."""
    if line.standing:
        raise Refused("superseded")
    taken = reversal.before
    policy = world.policies[taken.bill_policy_version]
    # A skip row that was rebilled in its place may have been extended since.
    bill = reprice(account.terms, taken, policy, line.coverage_to)
    return {
        "charge": bill.charge + line.adjusted_charge,
        "discount": bill.discount,
        "vat": bill.vat + line.adjusted_vat,
        "gifts": taken.gifts,
        "gifts_vat": taken.gifts_vat,
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
        check_credit(account, amount)
        return
    payment = account.posting(refund.payment)
    assert payment is not None
    left = payment.paid - refunded(account, refund.payment)
    if account.reversals_of(refund.payment) or amount > min(left, came_in(account)):
        raise Refused("exceeds_payment")


def _counts(discount: Posting, line: Any) -> bool:
    """Whether the bill that a discount was granted on is the one that stands."""
    return bool(line.standing) and discount.line.bill_seq == line.bill_seq


def _is_label(text: str) -> bool:
    return len(text) == 7 and text[4] == "-" and (text[:4] + text[5:]).isdecimal()
