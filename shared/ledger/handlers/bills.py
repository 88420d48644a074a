"""Bills that staff ask for: ahead, or in place of a cancelled one (docs/rules.md#bill-up-to)."""

from datetime import date, timedelta

from shared.ledger.account import Account
from shared.ledger.charge import coverage_end, price, reprice
from shared.ledger.commands import BillUpToSet, RebillRequested
from shared.ledger.errors import Refused
from shared.ledger.period import anchor_in, label_of, months_between
from shared.ledger.posting import By
from shared.ledger.terms import Cycle, value_on
from shared.ledger.world import World

AHEAD_MONTHS_MAX = 36
"""A bill-up-to that ends more months ahead is a mistake (docs/rules.md#bill-up-to)."""


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
        made_on = max(world.business_date, event.set_on)
        for _ in starts[1:]:
            account.bill_next(world, made_on, event.actor)
        account.bill_next(world, made_on, event.actor, ends)
    move_anchor(account, ends)


def _starts_on_the_way(account: Account, ends: date) -> list[date]:
    """Return the first day of each label to bill, at least the present end of coverage. The last
    one ends in the month of `ends`, so that the label after it starts in its own month."""
    starts = [account.billed_through]
    while months_between(label_of(starts[-1]), label_of(ends)) > 1:
        starts.append(coverage_end(account.terms, starts[-1]))
    return starts


def _extend(account: Account, event: BillUpToSet, ends: date, world: World) -> None:
    """Extend the last period, re-priced over its longer coverage."""
    index = len(account.periods) - 1
    line = account.periods[index]
    if line.cancelled:
        raise Refused("bill_cancelled")
    bill = reprice(account.terms, line, world.policies[line.bill_policy_version], ends)
    # The longer days are asked for when they begin, not when they were agreed
    # (docs/rules.md#asked-for).
    asked_on = max(event.set_on, line.coverage_to)
    by = By(event.command_id, event.set_on, event.actor, event_on=asked_on)
    account.post("extension", by, {index: account.recurring(index, bill)}, world)


def move_anchor(account: Account, ends: date) -> None:
    """Make the new day the anchor of a custom cycle; a change planned for later stands."""
    timeline = account.terms.cycle
    cycle = value_on(timeline, ends)
    if cycle.kind != "custom" or anchor_in(label_of(ends), cycle.day) == ends:
        return
    before = [entry for entry in timeline if entry[0] < ends]
    later = [entry for entry in timeline if entry[0] > ends]
    moved = (ends, Cycle("custom", ends.day))
    account.terms = account.terms.changed(cycle=(*before, moved, *later))


def on_rebill(account: Account, event: RebillRequested, world: World) -> None:
    """Make a new bill in place of a cancelled one: same coverage and anchor; terms, prices and
    policy as known now, on the days of that coverage."""
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
