"""What signups, changes and bills ahead do to a customer's terms, written a second time.

The audit replays with this; nothing here is shared with the handlers. Both use the same plain
values: a timeline is ((day, value), ...), ascending, its first day `ALWAYS` (contract §4).
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from shared.ledger.account import Account, Contact
from shared.ledger.commands import Changed, SignedUp
from shared.ledger.period import days_in_month
from shared.ledger.terms import ALWAYS, Cycle, Terms, Timeline

BY_THE_BILL = ("cycle", "mode", "vip", "discount_ppm", "vat_exempt")
"""Fields that count for bills whose coverage starts on or after both days of a change."""
OF_THE_CONTACT = ("name", "phone", "language")


def account_of(event: SignedUp) -> Account:
    """Return the account right after its signup: every field counts from the beginning."""
    whole: dict[str, Any] = {
        name: ((ALWAYS, getattr(event, name)),) for name in ("package", *BY_THE_BILL)
    }
    whole["cycle"] = ((ALWAYS, _with_its_day(event.cycle, event.joined_on)),)
    contact = [((ALWAYS, getattr(event, name)),) for name in OF_THE_CONTACT]
    return Account(
        event.customer_id,
        event.joined_on,
        event.bill_from,
        event.opening_due,
        Terms(**whole),
        Contact(*contact),
    )


def terms_after(terms: Terms, event: Changed, joined_on: date, billed_through: date) -> Terms:
    """Return the terms after a change; `billed_through` is the first day not billed yet."""
    news: dict[str, Timeline[Any]] = {}
    later_of_both = max(event.effective_on, event.changed_on)
    for name in BY_THE_BILL:
        value = getattr(event, name)
        if value is not None:
            if name == "cycle":
                value = _with_its_day(value, joined_on)
            news[name] = _from(getattr(terms, name), later_of_both, value)
    if event.package is not None:
        day = _charged_from(event, billed_through, by_itself=True)
        news["package"] = _from(terms.package, day, event.package)
    if event.status is not None:
        day = _charged_from(event, billed_through, by_itself=event.status == "active")
        news["status"] = _from(terms.status, day, event.status)
        news["shown"] = _from(terms.shown, event.effective_on, event.status)
    return _with(terms, news) if news else terms


def contact_after(contact: Contact, event: Changed) -> Contact:
    lines = []
    for name in OF_THE_CONTACT:
        value, line = getattr(event, name), getattr(contact, name)
        lines.append(line if value is None else _from(line, event.effective_on, value))
    return Contact(*lines)


def terms_billed_up_to(terms: Terms, day: date) -> Terms:
    """Return the terms after a bill ahead whose coverage ends before a day. A custom cycle in force
    on that day takes it as its anchor, unless it is the anchor's day in that month already."""
    in_force = max(entry for entry in terms.cycle if entry[0] <= day)[1]
    in_this_month = min(in_force.day, days_in_month(day.year, day.month))
    if in_force.kind != "custom" or in_this_month == day.day:
        return terms
    by_day: dict[date, Cycle] = dict(terms.cycle) | {day: Cycle("custom", day.day)}
    return _with(terms, {"cycle": tuple(sorted(by_day.items()))})


def _charged_from(event: Changed, billed_through: date, by_itself: bool) -> date:
    """Return the day from which a change is charged: its own where it reaches back (`prorate`, or
    by default), else no day that is billed already."""
    reaches_back = by_itself if event.prorate is None else event.prorate
    return event.effective_on if reaches_back else max(event.effective_on, billed_through)


def _with_its_day(cycle: Cycle, joined_on: date) -> Cycle:
    days = {"start_of_month": 1, "anniversary": joined_on.day, "custom": cycle.day}
    return Cycle(cycle.kind, days[cycle.kind])


def _from(line: Timeline[Any], day: date, value: Any) -> Timeline[Any]:
    """Return the timeline with all that it holds from a day on replaced by a value."""
    by_day = {start: known for start, known in line if start < day}
    by_day[day] = value
    return tuple(by_day.items())


def _with(terms: Terms, news: Mapping[str, Timeline[Any]]) -> Terms:
    kept: dict[str, Any] = {
        name: getattr(terms, name)
        for name in ("package", *BY_THE_BILL, "status", "shown")
        if name not in news
    }
    return Terms(**(kept | dict(news)))
