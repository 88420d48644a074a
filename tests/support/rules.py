"""The product's rules in memory, as an engine like the naive model: what a fleet would decide.

    engine = Rules()
    engine.apply_policy(policy)
    engine.apply(command)              # accepted, refused (with a reason), parked, duplicate

`Rules` keeps every account whole. `StoredRules` forgets them after each batch, as workers
do, and makes them anew from what the book would hold, only as far back as `reach` says.
"""

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from shared.ledger.account import BEGINNING, Account, Contact, Head
from shared.ledger.arrival import Arrival
from shared.ledger.commands import (
    CancellationRequested,
    Command,
    PaymentReceived,
    RefundMade,
    SignedUp,
    Ticked,
)
from shared.ledger.decide import judge_tick
from shared.ledger.fold import Fold, Seen
from shared.ledger.line import Line
from shared.ledger.period import label_of
from shared.ledger.policy.policy import NO_POLICY, Policy, read_together
from shared.ledger.posting import Posting
from shared.ledger.reach import WHOLE, Reach, reach, references_asked, usernames_asked
from shared.ledger.reasons import FirstOutcome
from shared.ledger.references import Held, Reference
from shared.ledger.terms import decode, encode
from shared.ledger.world import World
from tests.support.naive import ACCEPTED, CONFLICT, DUPLICATE, Outcome
from tests.support.rules_views import Books

STARTS_AT = datetime(2026, 1, 1, tzinfo=UTC)
POSTINGS = ("payment", "discount", "adjustment", "refund", "reversal")


class Rules(Books):
    """A whole fleet in memory: apply commands in order, read what came of them."""

    def __init__(self, policy: Policy = NO_POLICY) -> None:
        self.policies = dict(read_together({NO_POLICY.version: NO_POLICY, policy.version: policy}))
        self.policy = self.policies[policy.version]
        self.business_date: date | None = None
        self.batches = 0
        self.accounts: dict[str, Account] = {}
        self.references: dict[Reference, Held] = {}
        self.usernames: dict[str, str] = {}
        self.seen: dict[str, Seen] = {}
        self.parked: dict[str, list[Arrival[Command]]] = {}
        self.stored: dict[str, list[Line]] = {}
        """Every line of a customer, in seq order."""

    def apply_policy(self, policy: Policy) -> None:
        """Take a new policy version into force; bills made so far keep theirs."""
        self.policies = dict(read_together({**self.policies, policy.version: policy}))
        self.policy = self.policies[policy.version]

    def apply(self, command: Any, content: Hashable = None, sent_on: date | None = None) -> Outcome:
        """Judge one event. `content` decides sameness (by default the command itself); `sent_on` is
        the day of its record's timestamp."""
        said = json.dumps(repr(command if content is None else content))
        if isinstance(command, Ticked):
            return self._tick(command, said, sent_on)
        return self.take([Arrival(type(command).__name__, command, said)])[0]

    def take(self, arrivals: Sequence[Arrival[Command]]) -> list[Outcome]:
        """Judge one batch of commands about customers; return what came of each at once."""
        fold = self._fold(arrivals)
        fold.take(arrivals)
        self._save(fold)
        came = [judged for judged in fold.judged if not judged.waited]
        return [_outcome(judged.outcome, judged.reason) for judged in came]

    def lines(self, customer_id: str) -> list[Line]:
        return list(self.stored.get(customer_id, ()))

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """The outcome of every command id seen, as it is now."""
        return {
            command_id: _outcome(seen.outcome, seen.reason)
            for command_id, seen in self.seen.items()
        }

    # -- what the coordinator and a page of a bill run do ------------------------------------

    def _tick(self, tick: Ticked, content: str, sent_on: date | None) -> Outcome:
        first = self.seen.get(tick.command_id)
        if first is not None:
            return DUPLICATE if first.content == content else CONFLICT
        reason = judge_tick(tick, self.business_date, sent_on)
        outcome: FirstOutcome = "accepted" if reason is None else "refused"
        self.seen[tick.command_id] = Seen("Ticked", content, outcome, reason)
        if reason is None:
            self.business_date = max(self.business_date or tick.as_of, tick.as_of)
            fold = self._page()
            for customer_id in sorted(fold.accounts):
                fold.bill(customer_id, tick.as_of)
            self._save(fold)
        return _outcome(outcome, reason)

    # -- the book: here everything stays in memory --------------------------------------------

    def _world(self) -> World:
        self.batches += 1
        return World(
            STARTS_AT + timedelta(seconds=self.batches),
            self.business_date or date.min,
            self.policy,
            self.policies,
            self.references,
            self.usernames,
        )

    def _fold(self, arrivals: Sequence[Arrival[Command]]) -> Fold:
        return Fold(self._world(), self.accounts, self.seen, self.parked)

    def _page(self) -> Fold:
        return self._fold(())

    def _save(self, fold: Fold) -> None:
        if fold.broken:
            raise next(iter(fold.broken.values()))
        for line in fold.lines:
            self.stored.setdefault(line.customer_id, []).append(line)


@dataclass
class Kept:
    """What the book keeps of a customer besides lines."""

    opened: Account
    terms: str
    contact: Contact


class StoredRules(Rules):
    """The rules as workers see them: a batch loads what its commands reach, and no more."""

    def __init__(self, policy: Policy = NO_POLICY) -> None:
        super().__init__(policy)
        self.kept: dict[str, Kept] = {}
        self.paid: dict[str, Any] = {}
        """The payments and refunds accepted, by command id: what their contents say."""

    def _fold(self, arrivals: Sequence[Arrival[Command]]) -> Fold:
        reaches = _reaches(arrivals)
        fold = Fold(self._world(), seen=self._seen(a.command_id for a in arrivals))
        signed_up = {a.command.customer_id for a in arrivals if isinstance(a.command, SignedUp)}
        for customer_id, wanted in reaches.items():
            if customer_id in self.kept:
                fold.accounts[customer_id] = self.load(customer_id, wanted)
            account = fold.accounts.get(customer_id)
            may_withdraw = any(isinstance(a.command, CancellationRequested) for a in arrivals)
            new = account is not None and account.head is None
            if customer_id in signed_up or new or may_withdraw:
                fold.parked[customer_id] = list(self.parked.get(customer_id, ()))
        waiting = [each for parked in fold.parked.values() for each in parked]
        self._hold(fold, [*arrivals, *waiting])
        return fold

    def _page(self) -> Fold:
        fold = Fold(self._world())
        for customer_id, kept in self.kept.items():
            account = self._end_of(customer_id, kept)
            account.contact = None
            if account.seq:
                last = self._periods(customer_id)[-1]
                account.closed = Head(last.period, last.due, last.coverage_to)
            else:
                fold.parked[customer_id] = list(self.parked.get(customer_id, ()))
            fold.accounts[customer_id] = account
        self._hold(fold, [each for parked in fold.parked.values() for each in parked])
        return fold

    def _hold(self, fold: Fold, arrivals: Iterable[Arrival[Command]]) -> None:
        asked = references_asked(arrivals, fold.accounts.values())
        held = {key: self.references[key] for key in asked if key in self.references}
        fold.world.references = held
        fold.world.usernames = {
            name: self.usernames[name]
            for name in usernames_asked(arrivals)
            if name in self.usernames
        }

    def _seen(self, command_ids: Iterable[str]) -> dict[str, Seen]:
        return {each: self.seen[each] for each in command_ids if each in self.seen}

    def load(self, customer_id: str, wanted: Reach) -> Account:
        """Make an account anew from the book, as far back as wanted."""
        account = self._end_of(customer_id, self.kept[customer_id])
        if not wanted.contact:
            account.contact = None
        if account.seq:
            periods = self._periods(customer_id)
            head = periods[-1]
            account.periods = [head]
            if wanted.since is not None and (wanted.day is None or wanted.day < head.coverage_from):
                since = min(wanted.since, head.period)
                account.periods = [each for each in periods if each.period >= since]
            first = account.periods[0].period
            account.since = BEGINNING if first == label_of(account.bill_from) else first
            if wanted.postings:
                account.postings = list(self._postings(customer_id, account.since))
        return account

    def _end_of(self, customer_id: str, kept: Kept) -> Account:
        lines = self.lines(customer_id)
        last = lines[-1] if lines else None
        account = Account(
            customer_id,
            kept.opened.joined_on,
            kept.opened.bill_from,
            kept.opened.opening_due,
            decode(kept.terms),
            kept.contact,
            postings=None if last else [],
        )
        if last is not None:
            account.seq, account.hash, account.recorded_at = last.seq, last.hash, last.recorded_at
        return account

    def _periods(self, customer_id: str) -> list[Line]:
        heads = {line.period: line for line in self.lines(customer_id)}
        return [heads[label] for label in sorted(heads)]

    def _postings(self, customer_id: str, since: str) -> Iterable[Posting]:
        before: dict[str, Line] = {}
        for line in self.lines(customer_id):
            if line.kind in POSTINGS and line.period >= since:
                told = self.paid.get(line.command_id) if line.kind != "reversal" else None
                payment = method = reference = None
                shared = False
                if isinstance(told, RefundMade) and told.payment_id is not None:
                    payment = f"payment/{told.payment_id}"
                elif isinstance(told, PaymentReceived):
                    method, reference, shared = told.method, told.reference, told.shared
                yield Posting(line, before[line.period], payment, method, reference, shared)
            before[line.period] = line

    def _save(self, fold: Fold) -> None:
        super()._save(fold)
        for customer_id in fold.opened | fold.changed:
            account = fold.accounts[customer_id]
            contact = account.contact or self.kept[customer_id].contact
            self.kept[customer_id] = Kept(account, encode(account.terms), contact)
        for judged in fold.judged:
            arrival = judged.arrival
            if judged.outcome == "duplicate" or judged.outcome == "conflict":
                continue
            self.seen[arrival.command_id] = Seen(
                arrival.type, arrival.content, judged.outcome, judged.reason
            )
            waiting = self.parked.setdefault(arrival.command.customer_id, [])
            if judged.outcome == "parked":
                waiting.append(arrival)
            elif judged.waited:
                waiting.remove(arrival)
            if isinstance(arrival.command, PaymentReceived | RefundMade):
                self.paid[arrival.command_id] = arrival.command
        _take_over(self.references, fold.references, fold.world.references)
        _take_over(self.usernames, fold.usernames, fold.world.usernames)
        self.accounts |= {
            customer_id: self.load(customer_id, WHOLE) for customer_id in fold.accounts
        }


def _take_over(kept: dict[Any, Any], touched: Mapping[Any, Any], now: Mapping[Any, Any]) -> None:
    """Keep who holds the names that a batch touched, as they stood before it."""
    for key, before in touched.items():
        assert kept.get(key) == before
        kept.pop(key, None)
        if key in now:
            kept[key] = now[key]


def _reaches(arrivals: Iterable[Arrival[Command]]) -> dict[str, Reach]:
    """Return how far back each customer's account must be loaded for all of his commands."""
    reaches: dict[str, Reach] = {}
    for arrival in arrivals:
        customer_id, wanted = arrival.command.customer_id, reach(arrival.command)
        known = reaches.get(customer_id)
        reaches[customer_id] = wanted if known is None else known.and_also(wanted)
    return reaches


def _outcome(kind: str, reason: str | None) -> Outcome:
    """Speak as the naive model does, which gives no reason for waiting."""
    if kind == "conflict":
        return CONFLICT
    if kind == "accepted":
        return ACCEPTED
    return Outcome(kind, reason if kind == "refused" else None)
