"""How far back an account must be loaded for a command.

Most commands read the last period alone; the cost of one does not grow with the age of an account.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple

from shared.ledger.account import BEGINNING, Account
from shared.ledger.arrival import Arrival
from shared.ledger.commands import (
    AdjustmentMade,
    CancellationRequested,
    Changed,
    Command,
    DiscountGranted,
    PaymentReceived,
    RebillRequested,
    RefundMade,
    SignedUp,
)
from shared.ledger.period import label_of, months_after
from shared.ledger.references import Reference, reference_of


class Reach(NamedTuple):
    """How far back an account must be loaded for a command.

    Every period from label `since` on is loaded, or from the one that covers `day` where a day is
    given; with neither, only the last period. The last one is always loaded, even where it ends
    before `since` or `day`: a command of a later day posts to it. With `postings` the payments,
    discounts and corrections of all loaded periods are loaded too, with `contact` the dated name,
    phone and language.
    """

    since: str | None = None
    day: date | None = None
    postings: bool = False
    contact: bool = False

    def and_also(self, other: "Reach") -> "Reach":
        """Return the reach of both."""
        if self == other:
            return self
        sinces = [each for each in (self.since, other.since) if each is not None]
        days = [each.day for each in (self, other) if each.since is not None]
        return Reach(
            min(sinces, default=None),
            min([day for day in days if day is not None]) if days and None not in days else None,
            self.postings or other.postings,
            self.contact or other.contact,
        )


WHOLE = Reach(BEGINNING, postings=True, contact=True)
"""The whole account."""


def reach(command: Command) -> Reach:
    """Return how far back a command reads; most read the last period alone."""
    match command:
        case PaymentReceived():
            return _covering(command.received_on)
        case AdjustmentMade():
            return Reach(command.period) if command.period else _covering(command.made_on)
        case DiscountGranted():
            within = Reach(command.period) if command.period else _covering(command.granted_on)
            return within._replace(postings=True)
        case Changed() if command.package or command.status or command.extras is not None:
            # Also where it is not prorated: it counts from a billed period that starts later.
            return _covering(command.effective_on)._replace(contact=True)
        case Changed():
            return Reach(contact=True)
        case RebillRequested():
            return Reach(command.period)
        case RefundMade() | CancellationRequested():
            return Reach(BEGINNING, postings=True)
        case _:
            return Reach()


def _covering(day: date) -> Reach:
    """The period of a day is labelled with its month or with the month before
    (docs/rules.md#periods)."""
    return Reach(months_after(label_of(day), -1), day)


def references_asked(
    arrivals: Iterable[Arrival[Command]], accounts: Iterable[Account]
) -> Iterator[Reference]:
    """Yield the references whose holders the batch must know: those of its payments, and of
    payments that a cancellation may free or restore."""
    for arrival in arrivals:
        command = arrival.command
        if isinstance(command, PaymentReceived):
            key = reference_of(command.method, command.reference)
            if key is not None:
                yield key
    for account in accounts:
        for posting in account.postings or ():
            if posting.key is not None:
                yield posting.key


def usernames_asked(arrivals: Iterable[Arrival[Command]]) -> Iterator[str]:
    """Yield the usernames whose holders the batch must know."""
    for arrival in arrivals:
        command = arrival.command
        if isinstance(command, SignedUp | Changed) and command.username is not None:
            yield command.username
