"""The day on which a line was made and on which its period is asked for, written a second time.

A period is asked for on the latest of the first day it covers, the day on which its row was made
and the day on which a line last raised what it bills (docs/rules.md#asked-for). The day of a line
is the later of the business date and its event's local date. The book does not say which business
date a transaction saw, so any that it can have known is right.
"""

from collections.abc import Collection, Iterable
from datetime import date

from shared.ledger.commands import (
    AdjustmentMade,
    BillUpToSet,
    CancellationRequested,
    Changed,
    Command,
    DiscountGranted,
    PaymentReceived,
    RebillRequested,
    RefundMade,
    SignedUp,
)
from shared.ledger.line import Line

LOCAL_DATE = {
    SignedUp: "signed_up_on",
    Changed: "changed_on",
    PaymentReceived: "received_on",
    DiscountGranted: "granted_on",
    AdjustmentMade: "made_on",
    RefundMade: "refunded_on",
    CancellationRequested: "requested_on",
    BillUpToSet: "set_on",
    RebillRequested: "requested_on",
}


def local_date(command: Command) -> date:
    """Return the local date of a command's event."""
    day: date = getattr(command, LOCAL_DATE[type(command)])
    return day


def days_made(business_dates: Iterable[date], makers: Iterable[Command]) -> Collection[date]:
    """Return the days that a period's first line may bear: those of a run, or of a command of its
    own transaction that bills (`makers`)."""
    dates = list(business_dates)
    days = {date.min, *(local_date(command) for command in makers)}
    return {max(known, day) for known in dates for day in days} - {date.min}


def with_its_day(
    wanted: Line, line: Line, before: Line, command: Command, business_dates: Iterable[date]
) -> Line:
    """Return what a command's line should be with the day on which its period is asked for: of the
    days that are possible, the line's own."""
    if wanted.billed <= before.billed:
        return wanted._replace(asked_on=before.asked_on)
    day = local_date(command)
    if isinstance(command, BillUpToSet):
        day = max(day, before.coverage_to)
    least = max(before.coverage_from, before.made_on, day)
    possible = [max(least, known) for known in business_dates]
    chosen = line.asked_on if line.asked_on in possible else possible[0]
    return wanted._replace(asked_on=chosen)
