"""The order of judgement: account and command in, lines and outcome out (docs/rules.md#judgement).

`decide` judges one command, `judge_tick` a tick. Both are pure: they read no clock and save
nothing.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from shared.ledger.account import Account
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
    Ticked,
)
from shared.ledger.errors import Parked, Refused
from shared.ledger.handlers import HANDLERS
from shared.ledger.handlers.customers import open_account
from shared.ledger.line import Line
from shared.ledger.period import label_of
from shared.ledger.policy.policy import Policy
from shared.ledger.reasons import FirstOutcome, Reason, Waiting
from shared.ledger.world import World

GAP_DAYS_MAX = 45
"""A tick further past the business date needs `allow_gap` (docs/rules.md#tick)."""
PERMISSION = {
    DiscountGranted: "discount",
    AdjustmentMade: "adjust",
    RefundMade: "refund",
    CancellationRequested: "cancel",
    BillUpToSet: "bill_up_to",
    RebillRequested: "rebill",
}
"""The permission that each command needs; `_needs` has those that its content asks for."""


class Decision(NamedTuple):
    """What became of a command that was not seen before.

    `account` is the customer's account after it; None where they have not signed up yet.
    """

    outcome: FirstOutcome
    reason: Reason | Waiting | None
    account: Account | None
    lines: Sequence[Line] = ()


def decide(account: Account | None, command: Command, world: World) -> Decision:
    """Judge a command that was not seen before. A refused or parked one changes nothing."""
    try:
        after = _apply(account, command, world)
    except Refused as no:
        return Decision("refused", no.reason, account)
    except Parked as wait:
        return Decision("parked", wait.reason, account)
    return Decision("accepted", None, after, after.lines)


def _apply(account: Account | None, command: Command, world: World) -> Account:
    if account is None and not isinstance(command, SignedUp):
        raise Parked("not_signed_up")
    _check_permission(command, world)
    if isinstance(command, SignedUp):
        if account is not None:
            raise Refused("already_signed_up")
        after = open_account(command)
    else:
        assert account is not None
        if account.head is None and not isinstance(command, Changed):
            raise Parked("no_period_yet")
        after = account.fork()
    HANDLERS[type(command)](after, command, world)
    return after


def may_cancel(command: CancellationRequested, world: World) -> bool:
    """Whether the actor may cancel, so that they may withdraw a command that waits, too."""
    return world.policy.permits(command.actor, PERMISSION[CancellationRequested])


def _check_permission(command: Command, world: World) -> None:
    policy = world.policy
    if not all(policy.permits(command.actor, each) for each in _needs(command, policy)):
        raise Refused("not_permitted")
    if isinstance(command, SignedUp | Changed):
        granted = command.discount_ppm or 0
        limit = policy.discount_ppm_max(command.actor)
        if granted and limit is not None and granted > limit:
            raise Refused("over_limit")


def _needs(command: Command, policy: Policy) -> Iterator[str]:
    """Yield the permissions that a command needs of its actor (docs/policy.md#permissions)."""
    if type(command) in PERMISSION:
        yield PERMISSION[type(command)]
    if getattr(command, "vat_exempt", None):
        yield "vat_exempt"
    if isinstance(command, SignedUp | Changed):
        if command.discount_ppm:
            yield "discount"
        if command.vip:
            yield "vip"
        if policy.prices and _has_own_price(command):
            yield "price"
    if isinstance(command, SignedUp) and command.opening_due < 0:
        yield "adjust"
    if isinstance(command, Changed) and command.grace_until is not None:
        yield "grace"


def _has_own_price(command: SignedUp | Changed) -> bool:
    sold = [*(command.extras or ()), *([command.package] if command.package else ())]
    return any(each.price is not None for each in sold)


def judge_tick(
    tick: Ticked, business_date: date | None, sent_on: date | None = None
) -> Reason | None:
    """Return why a tick is refused, None when it is accepted (docs/rules.md#tick).

    The first tick of all is held against `sent_on`, the local date of its record's own timestamp;
    None where that is not known.
    """
    if label_of(tick.as_of) != tick.period:
        return "outside_period"
    known = business_date or sent_on
    gap = tick.as_of - known if known is not None else timedelta()
    return "gap_too_large" if gap.days > GAP_DAYS_MAX and not tick.allow_gap else None
