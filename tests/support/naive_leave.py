"""The naive model's reading of what the policy and the calendar forbid (docs/rules.md)."""

from datetime import date
from typing import Any

from shared.ledger import commands as c
from shared.ledger.policy.policy import Policy

AHEAD_DAYS_MAX = 366
NEEDS = {
    c.DiscountGranted: "discount",
    c.AdjustmentMade: "adjust",
    c.RefundMade: "refund",
    c.CancellationRequested: "cancel",
    c.BillUpToSet: "bill_up_to",
    c.RebillRequested: "rebill",
}


class Refused(Exception):
    """The business says no; the only argument is the reason."""


def permitted(policy: Policy, command: Any) -> bool:
    """Whether the actor may do this by what the command says."""
    needed = {NEEDS[type(command)]} if type(command) in NEEDS else set()
    if isinstance(command, c.SignedUp | c.Changed):
        needed |= {name for name in ("vat_exempt", "vip") if getattr(command, name)}
        if command.discount_ppm:
            needed.add("discount")
        if isinstance(command, c.SignedUp) and command.opening_due < 0:
            needed.add("adjust")
        if isinstance(command, c.Changed) and command.grace_until:
            needed.add("grace")
        if policy.prices and any(price is not None for _, price in sold(command)):
            needed.add("price")
    if isinstance(command, c.AdjustmentMade) and command.vat_exempt:
        needed.add("vat_exempt")
    member = policy.staff.get(command.actor) if command.actor else None
    return not needed or (member is not None and needed <= member.may)


def limit_ppm(policy: Policy, actor: str | None) -> int | None:
    member = policy.staff.get(actor) if actor else None
    return member.discount_ppm_max if member else None


def check_limit(policy: Policy, event: c.SignedUp | c.Changed) -> None:
    limit = limit_ppm(policy, event.actor)
    if event.discount_ppm and limit is not None and event.discount_ppm > limit:
        raise Refused("over_limit")


def check_prices(policy: Policy, event: c.SignedUp | c.Changed) -> None:
    if any(price is None and code not in policy.prices for code, price in sold(event)):
        raise Refused("unknown_price")


def check_date(business_date: date | None, day: date) -> None:
    """Refuse a slip of the year: a date far past the business date."""
    if business_date and (day - business_date).days > AHEAD_DAYS_MAX:
        raise Refused("gap_too_large")


def sold(event: c.SignedUp | c.Changed) -> list[tuple[str, int | None]]:
    """Return (code, own price) of all that an event names."""
    named = [(event.package.code, event.package.price)] if event.package else []
    return named + [(extra.code, extra.price) for extra in event.extras or ()]
