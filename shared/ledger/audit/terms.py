"""What signups, changes and bills ahead do to a customer's terms, written a second time.

The audit replays with this; nothing here is shared with the handlers. Both use the same plain
values: a timeline is ((day, value), ...), ascending, its first day `ALWAYS` (docs/rules.md#change).
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from shared.ledger.account import Account, Contact
from shared.ledger.commands import Changed, SignedUp
from shared.ledger.period import days_in_month
from shared.ledger.terms import ALWAYS, Cycle, Terms, Timeline

BY_THE_BILL = ("cycle", "mode", "vip", "discount_ppm", "vat_exempt")
"""Fields that count for bills whose coverage starts on or after both days of a change."""
OF_THE_CONTACT = ("name", "phone", "language", "texting", "address", "email", "tax_id")
CHARGED = ("package", "extras", "status")
"""Fields that are charged by the day."""


def account_of(event: SignedUp) -> Account:
    """Return the account right after its signup: every field counts from the beginning."""
    whole: dict[str, Any] = {
        name: ((ALWAYS, getattr(event, name)),) for name in ("package", "extras", *BY_THE_BILL)
    }
    whole["cycle"] = ((ALWAYS, _with_its_day(event.cycle, event.joined_on)),)
    contact: dict[str, Any] = {name: ((ALWAYS, getattr(event, name)),) for name in OF_THE_CONTACT}
    return Account(
        event.customer_id,
        event.joined_on,
        event.bill_from,
        event.opening_due,
        Terms(**whole),
        Contact(**contact, username=event.username),
    )


def terms_after(
    terms: Terms, event: Changed, joined_on: date, billed: Sequence[date], earlier: bool = False
) -> Terms:
    """Return the terms after a change. `billed` are the first days of the billed periods, oldest
    first, and at its end the first day not billed yet; `earlier` is true for the rules of releases
    before 2026-12."""
    news: dict[str, Timeline[Any]] = {}
    later_of_both = max(event.effective_on, event.changed_on)
    for name in BY_THE_BILL:
        value = getattr(event, name)
        if value is not None:
            if name == "cycle":
                value = _with_its_day(value, joined_on)
            news[name] = _on_its_days(getattr(terms, name), later_of_both, event.until, value)
    for name in CHARGED:
        value = getattr(event, name)
        if value is not None:
            reaches_back = event.prorate
            if reaches_back is None:
                reaches_back = value not in ("suspended", "left")
            day = event.effective_on if reaches_back else _charged_from(event, billed, earlier)
            news[name] = _on_its_days(getattr(terms, name), day, event.until, value)
    if event.status is not None:
        news["shown"] = _on_its_days(terms.shown, event.effective_on, event.until, event.status)
    return _with(terms, news) if news else terms


def contact_after(contact: Contact, event: Changed) -> Contact:
    lines: dict[str, Any] = {}
    for name in OF_THE_CONTACT:
        value, line = getattr(event, name), getattr(contact, name)
        if value is not None:
            line = _on_its_days(line, event.effective_on, event.until, value)
        lines[name] = line
    username = contact.username if event.username is None else event.username
    grace = contact.grace_until if event.grace_until is None else event.grace_until
    return Contact(**lines, username=username, grace_until=grace)


def terms_billed_up_to(terms: Terms, day: date) -> Terms:
    """Return the terms after a bill ahead whose coverage ends before a day. A custom cycle in force
    on that day takes it as its anchor, unless it is the anchor's day in that month already."""
    in_force = max(entry for entry in terms.cycle if entry[0] <= day)[1]
    in_this_month = min(in_force.day, days_in_month(day.year, day.month))
    if in_force.kind != "custom" or in_this_month == day.day:
        return terms
    by_day: dict[date, Cycle] = dict(terms.cycle) | {day: Cycle("custom", day.day)}
    return _with(terms, {"cycle": tuple(sorted(by_day.items()))})


def _charged_from(event: Changed, billed: Sequence[date], earlier: bool) -> date:
    """Return the day from which a change is charged that does not reach back: the first day of a
    billed period on or after its own, else no day that is billed already."""
    starts = [] if earlier else [day for day in billed[:-1] if day >= event.effective_on]
    return starts[0] if starts else max(event.effective_on, billed[-1])


def _with_its_day(cycle: Cycle, joined_on: date) -> Cycle:
    days = {"start_of_month": 1, "anniversary": joined_on.day, "custom": cycle.day}
    return Cycle(cycle.kind, days[cycle.kind])


def _on_its_days(line: Timeline[Any], day: date, until: date | None, value: Any) -> Timeline[Any]:
    """Return the timeline with a value on the days from `day` to `until`, where given excluded. All
    that it held on these days is replaced; from `until` on it says what it said before."""
    if until is not None and until <= day:
        return line
    by_day = {start: known for start, known in line if start < day}
    by_day[day] = value
    if until is not None:
        by_day[until] = [known for start, known in line if start <= until][-1]
        by_day.update((start, known) for start, known in line if start > until)
    return tuple(by_day.items())


def _with(terms: Terms, news: Mapping[str, Timeline[Any]]) -> Terms:
    kept: dict[str, Any] = {
        name: getattr(terms, name) for name in (*CHARGED, *BY_THE_BILL, "shown") if name not in news
    }
    return Terms(**(kept | dict(news)))
