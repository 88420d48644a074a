"""Signups and changes: accounts, terms and what follows from them (contract §4)."""

from datetime import date
from typing import Any

from shared.ledger.account import Account, Contact
from shared.ledger.charge import reprice
from shared.ledger.commands import Changed, SignedUp
from shared.ledger.errors import Refused
from shared.ledger.posting import By
from shared.ledger.terms import Cycle, Terms, always, replaced_from
from shared.ledger.world import World

BILLS_MAX = 36
"""More bills than this in one command are refused (contract §4, `too_many_periods`)."""


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
    """Bill what is due under the old terms, apply the new ones, prorate, bill what is due then."""
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
    """Replace each field that the change names from its day on. Return whether the change reaches
    back into periods that are billed already (contract §4, `prorate`)."""
    terms, day = account.terms, event.effective_on
    for_bills = max(event.effective_on, event.changed_on)
    unbilled = max(event.effective_on, account.billed_through)
    timelines: dict[str, Any] = {}
    reaches_back = False
    if event.package is not None:
        back = event.prorate is not False
        timelines["package"] = replaced_from(
            terms.package, day if back else unbilled, event.package
        )
        reaches_back |= back
    if event.status is not None:
        back = event.status == "active" if event.prorate is None else event.prorate
        timelines["status"] = replaced_from(terms.status, day if back else unbilled, event.status)
        timelines["shown"] = replaced_from(terms.shown, day, event.status)
        reaches_back |= back
    if event.cycle is not None:
        cycle = _anchored(event.cycle, account.joined_on)
        timelines["cycle"] = replaced_from(terms.cycle, for_bills, cycle)
    for name in ("mode", "vip", "discount_ppm", "vat_exempt"):
        value = getattr(event, name)
        if value is not None:
            timelines[name] = replaced_from(getattr(terms, name), for_bills, value)
    if timelines:
        account.terms = terms.changed(**timelines)
    if event.name is not None or event.phone is not None or event.language is not None:
        assert account.contact is not None
        account.contact = Contact(
            *(
                line if value is None else replaced_from(line, day, value)
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
