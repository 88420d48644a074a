"""Signups and changes: accounts, terms and what follows from them (docs/rules.md#signup)."""

from datetime import date, timedelta
from typing import Any

from shared.ledger.account import DATED, Account, Claim, Contact
from shared.ledger.charge import reprice
from shared.ledger.commands import Changed, SignedUp
from shared.ledger.errors import Refused
from shared.ledger.posting import By
from shared.ledger.terms import Cycle, Extras, Package, Terms, always, replaced_between
from shared.ledger.world import World

BILLS_MAX = 36
"""More bills than this in one command are refused (docs/rules.md#signup)."""
AHEAD_DAYS_MAX = 366
"""An event dated further past the business date is a slip of the year (`gap_too_large`)."""


def open_account(event: SignedUp) -> Account:
    """Return the account that a signup opens, before any bill."""
    dated: dict[str, Any] = {name: always(getattr(event, name)) for name in DATED}
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
            extras=always(event.extras),
        ),
        contact=Contact(**dated, username=event.username),
    )


def on_signed_up(account: Account, event: SignedUp, world: World) -> None:
    """Bill at once every label whose bill day has come, from `bill_from` on."""
    _check_prices(event.package, event.extras, world)
    _claim_username(account, event.username, world)
    _check_date(event.signed_up_on, world)
    until = max(world.business_date, event.signed_up_on)
    if account.bill_through(until, world, event.actor) > BILLS_MAX:
        raise Refused("too_many_periods")
    if event.silent:
        account.untold_seq = account.seq


def on_changed(account: Account, event: Changed, world: World) -> None:
    """Bill what is due under the old terms, apply the new ones, prorate, bill what is due then."""
    if event.effective_on < account.joined_on:
        raise Refused("before_joining")
    _check_prices(event.package, event.extras or (), world)
    contact = account.contact
    assert contact is not None
    if event.username is not None and event.username != contact.username:
        _claim_username(account, event.username, world)
        account.claims.append(Claim(contact.username, account.customer_id, taken=False))
    _check_date(event.changed_on, world)
    until = max(world.business_date, event.changed_on)
    bills = account.bill_through(until, world, event.actor)
    charged_from = take_terms(account, event)
    if charged_from is not None:
        _prorate(account, event, charged_from, world)
    bills += account.bill_through(world.business_date, world, event.actor, event.changed_on)
    if bills > BILLS_MAX:
        raise Refused("too_many_periods")


def take_terms(account: Account, event: Changed) -> date | None:
    """Replace each field that the change names from its day on, or on the days before `until`.
    Return the first day of billed periods whose charge it may change, None where there is none
    (docs/rules.md#prorate)."""
    terms, day, until = account.terms, event.effective_on, event.until
    for_bills = max(day, event.changed_on)
    starts: list[date] = []
    timelines: dict[str, Any] = {}
    for name in ("package", "extras", "status"):
        value = getattr(event, name)
        if value is None:
            continue
        back = event.prorate
        if back is None:
            back = name != "status" or value == "active"
        starts.append(day if back else _charged_from(account, day))
        timelines[name] = replaced_between(getattr(terms, name), starts[-1], until, value)
        if name == "status":
            timelines["shown"] = replaced_between(terms.shown, day, until, value)
    if event.cycle is not None:
        cycle = _anchored(event.cycle, account.joined_on)
        timelines["cycle"] = replaced_between(terms.cycle, for_bills, until, cycle)
    for name in ("mode", "vip", "discount_ppm", "vat_exempt"):
        value = getattr(event, name)
        if value is not None:
            timelines[name] = replaced_between(getattr(terms, name), for_bills, until, value)
    if timelines:
        account.terms = terms.changed(**timelines)
    _take_contact(account, event)
    return min(starts, default=None)


def _charged_from(account: Account, day: date) -> date:
    """Return the day from which a change counts that is not prorated: the start of the first billed
    period that starts on or after its day; with none, the end of what is billed, or its day."""
    later = (line.coverage_from for line in account.periods if line.coverage_from >= day)
    return next(later, max(day, account.billed_through))


def _take_contact(account: Account, event: Changed) -> None:
    contact, day, until = account.contact, event.effective_on, event.until
    assert contact is not None
    changed: dict[str, Any] = {
        name: replaced_between(getattr(contact, name), day, until, value)
        for name in DATED
        if (value := getattr(event, name)) is not None
    }
    for name in ("username", "grace_until"):
        if (value := getattr(event, name)) is not None:
            changed[name] = value
    if changed:
        account.contact = contact._replace(**changed)


def _prorate(account: Account, event: Changed, charged_from: date, world: World) -> None:
    """Append a proration to each period that ends after a day, its bill standing or a skip row,
    whose recurring charge changes."""
    changes = {}
    for index, line in enumerate(account.periods):
        if line.coverage_to > charged_from and not line.cancelled:
            bill = reprice(account.terms, line, world.policies[line.bill_policy_version])
            if bill.charge != line.recurring_charge:
                changes[index] = account.recurring(index, bill)
    if changes:
        by = By(event.command_id, event.effective_on, event.actor, event_on=event.changed_on)
        account.post("proration", by, changes, world)


def _check_prices(package: Package | None, extras: Extras, world: World) -> None:
    """Refuse a code without a price of its own that the price list known now lacks."""
    sold = [*([] if package is None else [(package.code, package.price)])]
    sold += [(extra.code, extra.price) for extra in extras]
    if any(price is None and code not in world.policy.prices for code, price in sold):
        raise Refused("unknown_price")


def _claim_username(account: Account, username: str, world: World) -> None:
    if world.usernames.get(username, account.customer_id) != account.customer_id:
        raise Refused("username_taken")
    account.claims.append(Claim(username, account.customer_id, taken=True))


def _check_date(day: date, world: World) -> None:
    """Refuse an event far past the business date; before the first tick there is none."""
    ahead = timedelta(days=AHEAD_DAYS_MAX)
    if world.business_date != date.min and day - world.business_date > ahead:
        raise Refused("gap_too_large")


def _anchored(cycle: Cycle, joined_on: date) -> Cycle:
    """Resolve the stored anchor day of a cycle (docs/rules.md#cycles)."""
    if cycle.kind == "custom":
        return cycle
    return Cycle(cycle.kind, 1 if cycle.kind == "start_of_month" else joined_on.day)
