"""What a policy alone decides, written again for the audit (docs/policy.md#permissions)."""

from typing import Any

from shared.ledger.commands import (
    AdjustmentMade,
    BillUpToSet,
    CancellationRequested,
    Changed,
    Command,
    DiscountGranted,
    RebillRequested,
    RefundMade,
    SignedUp,
)
from shared.ledger.policy.policy import Policy
from shared.ledger.reasons import Reason

AHEAD_DAYS_MAX = 366
RIGHTS = {
    DiscountGranted: "discount",
    AdjustmentMade: "adjust",
    RefundMade: "refund",
    CancellationRequested: "cancel",
    BillUpToSet: "bill_up_to",
    RebillRequested: "rebill",
}


def not_allowed(command: Command, policy: Policy, earlier: bool = False) -> Reason | None:
    """Return why the actor lacks the permission for this; the policy alone decides. `earlier`: by
    the rules of releases before 2026-12."""
    percent = command.discount_ppm or 0 if isinstance(command, SignedUp | Changed) else 0
    rights = _rights(command)
    if not earlier:
        rights |= _newer_rights(command, policy)
    member = policy.staff.get(command.actor or "")
    if not rights <= (member.may if member else frozenset()):
        return "not_permitted"
    if member and member.discount_ppm_max is not None and percent > member.discount_ppm_max:
        return "over_limit"
    return None


def _rights(command: Command) -> set[str]:
    if isinstance(command, SignedUp | Changed):
        given = {"discount": command.discount_ppm, "vat_exempt": command.vat_exempt}
        return {right for right, value in given.items() if value}
    return {RIGHTS[type(command)]} if type(command) in RIGHTS else set()


def _newer_rights(command: Any, policy: Policy) -> set[str]:
    own_price = any(price is not None for _, price in _sold(command))
    needed = {
        "vip": getattr(command, "vip", None),
        "grace": getattr(command, "grace_until", None),
        "adjust": getattr(command, "opening_due", 0) < 0,
        "price": own_price and bool(policy.prices),
        "vat_exempt": getattr(command, "vat_exempt", None),
    }
    return {right for right, value in needed.items() if value}


def lacks_price(command: SignedUp | Changed, policy: Policy) -> bool:
    """Whether it names a code without a price of its own that the version's list lacks."""
    return any(price is None and code not in policy.prices for code, price in _sold(command))


def _sold(command: Any) -> list[tuple[str, int | None]]:
    package = getattr(command, "package", None)
    extras = getattr(command, "extras", None) or ()
    return [(each[0], each[1]) for each in (*extras, *([package] if package else []))]
