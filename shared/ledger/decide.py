"""The order of judgement: one account and one command in, lines and an outcome out (contract §4).

`decide` judges one command; `Fold` judges a batch in the order it came, with everything that
the batch loaded. Both are pure: they read no clock and save nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

from shared.ledger.account import BEGINNING, Account, World
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
    Ticked,
)
from shared.ledger.errors import Parked, Refused
from shared.ledger.handlers import HANDLERS
from shared.ledger.handlers.customers import open_account
from shared.ledger.line import Line
from shared.ledger.period import label_of, months_after

GAP_DAYS_MAX = 45
PERMISSION = {
    DiscountGranted: "discount",
    AdjustmentMade: "adjust",
    RefundMade: "refund",
    CancellationRequested: "cancel",
    BillUpToSet: "bill_up_to",
    RebillRequested: "rebill",
}


class Arrival(NamedTuple):
    """A command as it came: its event type, its value, and its content as canonical text.

    Two arrivals with one command id are the same when type and content are equal. `ce_id` and
    `ce_source` name the event that brought it, where that is still known.
    """

    type: str
    command: Command
    content: str
    ce_id: str | None = None
    ce_source: str | None = None

    @property
    def command_id(self) -> str:
        return self.command.command_id

    @property
    def event(self) -> tuple[str, str, str | None, str | None]:
        """Type, content, ce_id and ce_source: all of an event that is kept."""
        return self.type, self.content, self.ce_id, self.ce_source


class Decision(NamedTuple):
    """`outcome` is accepted, refused, parked, duplicate or conflict; `account` what the
    customer's account is after it (None: there is still none)."""

    outcome: str
    reason: str | None
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


def _check_permission(command: Command, world: World) -> None:
    policy = world.policy
    if isinstance(command, SignedUp | Changed):
        granted = command.discount_ppm or 0
        if granted and not policy.permits(command.actor, "discount"):
            raise Refused("not_permitted")
        if command.vat_exempt and not policy.permits(command.actor, "vat_exempt"):
            raise Refused("not_permitted")
        limit = policy.discount_ppm_max(command.actor)
        if granted and limit is not None and granted > limit:
            raise Refused("over_limit")
    elif not isinstance(command, PaymentReceived) and not policy.permits(
        command.actor, PERMISSION[type(command)]
    ):
        raise Refused("not_permitted")


def judge_tick(tick: Ticked, business_date: date | None) -> str | None:
    """Return why a tick is refused, None when it is accepted (contract §4, tick)."""
    if label_of(tick.as_of) != tick.period:
        return "outside_period"
    gap = tick.as_of - business_date if business_date is not None else timedelta()
    return "gap_too_large" if gap.days > GAP_DAYS_MAX and not tick.allow_gap else None


class Reach(NamedTuple):
    """How far back an account must be loaded for a command.

    Every period from label `since` on, or from the one that covers `day` where a day is given;
    with neither the last one is enough. The last period is always loaded, however far behind
    `since` or `day` the books are: it is what a command of a later day is decided on. With
    `postings` the payments, discounts and corrections of all loaded periods too, with `contact`
    the dated name, phone and language.
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
"""All that there is of an account."""


def reach(command: Command) -> Reach:
    """Return what a command reads: an everyday one the head, one that reaches back no more
    than it reaches."""
    match command:
        case PaymentReceived():
            return _covering(command.received_on)
        case AdjustmentMade():
            return Reach(command.period) if command.period else _covering(command.made_on)
        case DiscountGranted():
            within = Reach(command.period) if command.period else _covering(command.granted_on)
            return within._replace(postings=True)
        case Changed() if command.prorate is not False and (command.package or command.status):
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
    """The period of a day is labelled with its month or with the month before (contract §2)."""
    return Reach(months_after(label_of(day), -1), day)


class Seen(NamedTuple):
    """A command that came before: what it asked, and what became of it so far."""

    type: str
    content: str
    outcome: str
    reason: str | None


class Judged(NamedTuple):
    """What became of an arrival. `seen` is what a duplicate or conflict met; `waited` tells
    that it had been parked before."""

    arrival: Arrival
    outcome: str
    reason: str | None
    seen: Seen | None = None
    waited: bool = False


@dataclass(slots=True)
class Fold:
    """A batch under judgement: the accounts and what is known of their commands, as loaded.

    `seen` maps the command ids that may occur to their first coming; `parked` holds the
    waiting arrivals of a customer, oldest first; `quarantined` the customers that wait for a
    person. After folding, `judged`, `lines`, `opened`, `changed`, `claims` and `broken` say
    what is to be saved.
    """

    world: World
    accounts: dict[str, Account] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    parked: dict[str, list[Arrival]] = field(default_factory=dict)
    quarantined: dict[str, str] = field(default_factory=dict)
    judged: list[Judged] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    broken: dict[str, Exception] = field(default_factory=dict)
    claims: dict[tuple[str, str], str | None] = field(default_factory=dict)
    freed: set[tuple[str, str]] = field(default_factory=set)

    def take(self, arrivals: Iterable[Arrival]) -> None:
        """Judge arrivals in the order they came."""
        for arrival in arrivals:
            first = self.seen.get(arrival.command_id)
            if first is not None:
                same = first[:2] == (arrival.type, arrival.content)
                outcome = "duplicate" if same else "conflict"
                self.judged.append(Judged(arrival, outcome, None, first))
                continue
            customer_id = arrival.command.customer_id
            had_period = self._has_period(customer_id)
            decision = self._judge(arrival)
            self._note(arrival, decision)
            if decision.outcome == "parked":
                self.parked.setdefault(customer_id, []).append(arrival)
            elif decision.outcome == "accepted":
                signed_up = isinstance(arrival.command, SignedUp)
                if signed_up or (not had_period and self._has_period(customer_id)):
                    self.release(customer_id)

    def bill(self, customer_id: str, as_of: date) -> tuple[int, int] | None:
        """Bill one customer's labels up to a day; return how many bills and skip rows.

        None when the customer cannot be billed: he is quarantined and the run goes on.
        """
        if customer_id in self.quarantined:
            return None
        account = self.accounts[customer_id]
        if account.billed_through > as_of:
            return 0, 0
        was_new = account.head is None
        try:
            bills = account.bill_through(as_of, self.world)
        except Exception as broken:
            # One customer's trouble stops one customer.
            account.lines.clear()
            self._quarantine(customer_id, broken)
            return None
        skips = len(account.lines) - bills
        self._adopt(account)
        if was_new and account.head is not None:
            self.release(customer_id)
        return bills, skips

    def set_apart(self, broken: Mapping[str, Exception]) -> None:
        """Quarantine customers before anything is judged; who is quarantined already stays so."""
        for customer_id, error in broken.items():
            if customer_id not in self.quarantined:
                self._quarantine(customer_id, error)

    def release(self, customer_id: str) -> None:
        """Apply what is parked, oldest first. Where one of them makes the first period, those
        parked before it go next, then the rest (contract §4)."""
        waiting = self.parked.get(customer_id, [])
        at = 0
        while at < len(waiting) and customer_id not in self.quarantined:
            arrival, had_period = waiting[at], self._has_period(customer_id)
            decision = self._judge(arrival)
            if decision.outcome == "parked":
                at += 1
                continue
            del waiting[at]
            self._note(arrival, decision, waited=True)
            if not had_period and self._has_period(customer_id):
                at = 0

    def _note(self, arrival: Arrival, decision: Decision, waited: bool = False) -> None:
        outcome, reason = decision.outcome, decision.reason
        self.seen[arrival.command_id] = Seen(arrival.type, arrival.content, outcome, reason)
        self.judged.append(Judged(arrival, outcome, reason, waited=waited))

    def _judge(self, arrival: Arrival) -> Decision:
        customer_id = arrival.command.customer_id
        account = self.accounts.get(customer_id)
        if customer_id in self.quarantined:
            return Decision("parked", "quarantined", account)
        try:
            decision = decide(account, arrival.command, self.world)
        except Exception as broken:
            # Skipping money is worse than waiting.
            self._quarantine(customer_id, broken)
            return Decision("parked", "quarantined", account)
        if decision.outcome == "accepted":
            assert decision.account is not None
            if account is None:
                self.opened.add(customer_id)
            self._adopt(decision.account)
        return decision

    def _adopt(self, after: Account) -> None:
        before = self.accounts.get(after.customer_id)
        if before is not None and (
            before.terms is not after.terms or before.contact is not after.contact
        ):
            self.changed.add(after.customer_id)
        self.lines += after.lines
        for reference, payment in after.claims:
            self.claims[reference] = payment
            if payment is None:
                self.freed.add(reference)
                self.world.references.pop(reference, None)
            else:
                self.world.references[reference] = payment
        after.lines, after.claims = [], []
        self.accounts[after.customer_id] = after

    def _quarantine(self, customer_id: str, broken: Exception) -> None:
        self.quarantined[customer_id] = f"{type(broken).__name__}: {broken}"[:500]
        self.broken[customer_id] = broken

    def _has_period(self, customer_id: str) -> bool:
        account = self.accounts.get(customer_id)
        return account is not None and account.head is not None


def references_asked(
    arrivals: Iterable[Arrival], accounts: Iterable[Account]
) -> Iterator[tuple[str, str]]:
    """Yield the references whose holder the batch must know: those of its payments, and of
    payments that a cancellation may restore."""
    for arrival in arrivals:
        command = arrival.command
        if isinstance(command, PaymentReceived) and command.reference is not None:
            yield command.method, command.reference
    for account in accounts:
        for posting in account.postings or ():
            if posting.method is not None and posting.reference is not None:
                yield posting.method, posting.reference
