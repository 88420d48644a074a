"""Rules that remember what the book would: each command's outcome, and when."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from shared.ledger.audit.asked import Asked, Days, InTime, PolicyVersions
from shared.ledger.audit.closing import Opened
from shared.ledger.audit.customer import Common, Kept, fault_of
from shared.ledger.audit.fault import Fault
from shared.ledger.commands import Ticked
from shared.ledger.fold import Fold
from shared.ledger.line import GENESIS, Line, chained
from shared.ledger.policy.policy import NO_POLICY, Policy
from shared.ledger.world import World
from tests.support.naive import ACCEPTED, Outcome
from tests.support.rules import STARTS_AT, Rules


class Recorded(Rules):
    """A fleet in memory whose batches are transactions, each an hour after the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[str, list[Asked]] = {}
        self.ticks: list[tuple[datetime, Any]] = []
        self.versions: list[tuple[datetime, Policy]] = []

    def play(self, steps: Iterable[Any]) -> "Recorded":
        for step in steps:
            self.apply_policy(step) if isinstance(step, Policy) else self.apply(step)
        return self

    def apply_policy(self, policy: Policy) -> None:
        super().apply_policy(policy)
        self.batches += 1
        self.versions.append((self.now, policy))

    @property
    def now(self) -> datetime:
        """The instant of the transaction in hand: an hour after the one before it."""
        return STARTS_AT + timedelta(hours=self.batches)

    def _world(self) -> World:
        world = super()._world()
        world.recorded_at = self.now
        return world

    def apply(self, command: Any, content: Any = None, sent_on: date | None = None) -> Outcome:
        if isinstance(command, Ticked):
            self.batches += 1
            at = self.now
            outcome = super().apply(command, content, sent_on)
            if outcome == ACCEPTED:
                self.ticks.append((at, command.as_of))
            return outcome
        return super().apply(command, content, sent_on)

    def _save(self, fold: Fold) -> None:
        super()._save(fold)
        for judged in fold.judged:
            if judged.outcome in ("accepted", "refused"):
                command = judged.arrival.command
                asked = Asked(command, judged.outcome, judged.reason, self.now)
                self.asked.setdefault(command.customer_id, []).append(asked)

    def fault(
        self,
        customer_id: str,
        lines: Sequence[Line] | None = None,
        asked: Sequence[Asked] | None = None,
    ) -> Fault | None:
        """Audit a customer; `lines` and `asked` where they are not what the rules wrote."""
        return fault_of(self.kept_of(customer_id, lines, asked), self.common())

    def common(self) -> Common:
        days = Days(self.ticks, self.business_date if self.ticks else None)
        versions = [(at, self.policies[each.version]) for at, each in self.versions]
        return Common(PolicyVersions(self.policies), InTime(NO_POLICY, versions), days)

    def kept_of(
        self,
        customer_id: str,
        lines: Sequence[Line] | None = None,
        asked: Sequence[Asked] | None = None,
    ) -> Kept:
        lines = self.lines(customer_id) if lines is None else lines
        asked = self.asked.get(customer_id, []) if asked is None else asked
        account = self.accounts.get(customer_id)
        opened = None
        if account is not None:
            assert account.contact is not None
            opened = Opened(
                account.joined_on,
                account.bill_from,
                account.opening_due,
                account.terms,
                account.contact,
            )
        return Kept(customer_id, [(line, None) for line in lines], asked, opened)


def rehashed(lines: Sequence[Line]) -> list[Line]:
    """Return the lines with hashes that fit: what a forger who knows the form would write."""
    made: list[Line] = []
    previous = GENESIS
    for line in lines:
        previous = chained(line, previous)
        made.append(line._replace(hash=previous))
    return made
