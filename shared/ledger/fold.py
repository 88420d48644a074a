"""A batch under judgement: its commands judged one after another, in memory.

`Fold` holds what was loaded for the batch and gathers what is to be saved. It is pure: it reads no
clock and saves nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple, cast

from shared.ledger.account import Account, Claim
from shared.ledger.arrival import Arrival
from shared.ledger.commands import CancellationRequested, Command, SignedUp
from shared.ledger.decide import Decision, decide, may_cancel
from shared.ledger.line import Line
from shared.ledger.reasons import FirstOutcome, Outcome, Reason, Waiting
from shared.ledger.references import Held, Reference, with_holder, without_holder
from shared.ledger.world import World


class Seen(NamedTuple):
    """A command that came before: its type and content, and what became of it so far."""

    type: str
    content: str
    outcome: FirstOutcome
    reason: Reason | Waiting | None


class Judged(NamedTuple):
    """What became of an arrival. `seen` is the earlier command of a duplicate or conflict;
    `waited` is true where it had been parked before."""

    arrival: Arrival[Command]
    outcome: Outcome
    reason: Reason | Waiting | None
    seen: Seen | None = None
    waited: bool = False

    @property
    def refusal(self) -> Reason | None:
        """Why the command was refused, `conflicting_duplicate` for a conflict; else None."""
        if self.outcome == "conflict":
            return "conflicting_duplicate"
        return cast(Reason, self.reason) if self.outcome == "refused" else None


@dataclass(slots=True)
class Fold:
    """A batch under judgement: the accounts and their earlier commands as loaded, and the results.

    Loaded: `seen` maps command ids to what became of them when they first came; `parked` holds a
    customer's parked arrivals, oldest first; `quarantined` maps quarantined customers to the
    reason. Results, to be saved: `judged` and `lines` in order; the customers `opened` and those
    whose terms or contact `changed`; `references` and `usernames` that were taken or given up, each
    with its holder before the batch; `broken`, the errors of newly quarantined customers.
    """

    world: World
    accounts: dict[str, Account] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    parked: dict[str, list[Arrival[Command]]] = field(default_factory=dict)
    quarantined: dict[str, str] = field(default_factory=dict)
    judged: list[Judged] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    broken: dict[str, Exception] = field(default_factory=dict)
    references: dict[Reference, Held | None] = field(default_factory=dict)
    usernames: dict[str, str | None] = field(default_factory=dict)

    def take(self, arrivals: Iterable[Arrival[Command]]) -> None:
        """Judge arrivals in the order they came."""
        for arrival in arrivals:
            first = self.seen.get(arrival.command_id)
            if first is not None:
                same = first[:2] == (arrival.type, arrival.content)
                outcome: Outcome = "duplicate" if same else "conflict"
                self.judged.append(Judged(arrival, outcome, None, first))
                continue
            customer_id = arrival.command.customer_id
            if self._withdraws(arrival):
                continue
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
        """Bill one customer's labels up to a day; return the numbers of bills and skip rows.

        None when the customer cannot be billed: they are quarantined and the run goes on.
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
            # An error with one customer stops that customer only.
            account.lines.clear()
            self._quarantine(customer_id, broken)
            return None
        skips = len(account.lines) - bills
        self.lines += account.lines  # a bill changes nothing else that is saved
        account.lines = []
        if was_new and account.head is not None:
            self.release(customer_id)
        return bills, skips

    def set_apart(self, broken: Mapping[str, Exception]) -> None:
        """Quarantine customers before anything is judged; who already is keeps the reason."""
        for customer_id, error in broken.items():
            if customer_id not in self.quarantined:
                self._quarantine(customer_id, error)

    def release(self, customer_id: str) -> None:
        """Apply a customer's parked commands, oldest first. Where one of them makes the first
        period, those parked before it go next, then the rest (docs/rules.md#parked)."""
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

    def _withdraws(self, arrival: Arrival[Command]) -> bool:
        """Whether a cancellation names a parked command of its customer; then the parked one is
        refused as `withdrawn`, if the actor may cancel (docs/rules.md#withdrawing)."""
        command = arrival.command
        if not isinstance(command, CancellationRequested):
            return False
        waiting = self.parked.get(command.customer_id, [])
        target = next((each for each in waiting if each.command_id == command.cancels), None)
        if target is None:
            return False
        if may_cancel(command, self.world):
            waiting.remove(target)
            self._note(target, Decision("refused", "withdrawn", None), waited=True)
            self._note(arrival, Decision("accepted", None, None))
        else:
            self._note(arrival, Decision("refused", "not_permitted", None))
        return True

    def _note(self, arrival: Arrival[Command], decision: Decision, waited: bool = False) -> None:
        outcome, reason = decision.outcome, decision.reason
        self.seen[arrival.command_id] = Seen(arrival.type, arrival.content, outcome, reason)
        self.judged.append(Judged(arrival, outcome, reason, waited=waited))

    def _judge(self, arrival: Arrival[Command]) -> Decision:
        customer_id = arrival.command.customer_id
        account = self.accounts.get(customer_id)
        if customer_id in self.quarantined:
            return Decision("parked", "quarantined", account)
        try:
            decision = decide(account, arrival.command, self.world)
        except Exception as broken:
            # Money is never skipped: the command waits until a person has looked.
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
        for claim in after.claims:
            if isinstance(claim.what, str):
                self._claim_username(claim.what, claim)
            else:
                self._claim_reference(claim.what, claim)
        after.lines, after.claims = [], []
        self.accounts[after.customer_id] = after

    def _claim_reference(self, reference: Reference, claim: Claim) -> None:
        known = self.world.references
        held = known.pop(reference, None)
        self.references.setdefault(reference, held)
        if claim.taken:
            known[reference] = with_holder(held, claim.by, claim.shared)
        elif (left := without_holder(held, claim.by)) is not None:
            known[reference] = left

    def _claim_username(self, username: str, claim: Claim) -> None:
        known = self.world.usernames
        # A name that is given up was its customer's, whether or not the batch asked for it.
        self.usernames.setdefault(username, known.get(username) if claim.taken else claim.by)
        if claim.taken:
            known[username] = claim.by
        else:
            known.pop(username, None)

    def _quarantine(self, customer_id: str, broken: Exception) -> None:
        self.quarantined[customer_id] = f"{type(broken).__name__}: {broken}"[:500]
        self.broken[customer_id] = broken

    def _has_period(self, customer_id: str) -> bool:
        account = self.accounts.get(customer_id)
        return account is not None and account.head is not None
