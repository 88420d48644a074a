"""Rules that remember what the book would: each command's outcome, and who wrote what when."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from shared.ledger.audit.asked import Asked, Days, InTime
from shared.ledger.audit.audit import Audit
from shared.ledger.audit.closing import Opened
from shared.ledger.audit.fault import Fault
from shared.ledger.commands import Ticked
from shared.ledger.fold import Fold
from shared.ledger.line import GENESIS, Line, chained
from shared.ledger.policy.policy import NO_POLICY, Policy
from shared.ledger.world import World
from tests.support.naive import ACCEPTED, Outcome
from tests.support.rules import STARTS_AT, Rules


class Recorded(Rules):
    """A fleet in memory whose batches are transactions, numbered by `batches`."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[str, list[Asked]] = {}
        self.ticks: list[tuple[int, datetime, Any]] = []
        self.versions: list[tuple[int, datetime, Policy]] = []
        self.written: dict[tuple[str, int], int] = {}
        """The transaction of each line, by (customer, seq)."""

    def play(self, steps: Iterable[Any]) -> "Recorded":
        for step in steps:
            self.apply_policy(step) if isinstance(step, Policy) else self.apply(step)
        return self

    def apply_policy(self, policy: Policy) -> None:
        super().apply_policy(policy)
        self.batches += 1
        self.versions.append((self.batches, self.now, policy))

    @property
    def now(self) -> datetime:
        """The instant of the transaction in hand: an hour after the one before it."""
        return STARTS_AT + timedelta(hours=self.batches)

    def _world(self) -> World:
        world = super()._world()
        world.recorded_at = self.now
        return world

    def apply(self, command: Any, content: Any = None) -> Outcome:
        if isinstance(command, Ticked):
            self.batches += 1
            xid = self.batches
            outcome = super().apply(command, content)
            if outcome == ACCEPTED:
                at = STARTS_AT + timedelta(hours=xid)
                self.ticks.append((xid, at, command.as_of))
            return outcome
        return super().apply(command, content)

    def _save(self, fold: Fold) -> None:
        super()._save(fold)
        for judged in fold.judged:
            if judged.outcome in ("accepted", "refused"):
                command = judged.arrival.command
                asked = Asked(command, judged.outcome, self.batches, judged.reason, self.now)
                self.asked.setdefault(command.customer_id, []).append(asked)
        for line in fold.lines:
            self.written[line.customer_id, line.seq] = self.batches

    def fault(
        self,
        customer_id: str,
        lines: Sequence[Line] | None = None,
        asked: Sequence[Asked] | None = None,
    ) -> Fault | None:
        """Audit a customer; `lines` and `asked` where they are not what the rules wrote."""
        billed_to = self.business_date if self.ticks else None
        audit = Audit(
            customer_id,
            self.policies,
            self.asked.get(customer_id, []) if asked is None else asked,
            Days(self.ticks, billed_to),
            InTime(NO_POLICY, self.versions),
        )
        for line in self.lines(customer_id) if lines is None else lines:
            xid = self.written.get((customer_id, line.seq), 0)
            if (fault := audit.fault(line, xid)) is not None:
                return fault
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
        return audit.end(opened)


def rehashed(lines: Sequence[Line]) -> list[Line]:
    """Return the lines with hashes that fit: what a forger who knows the form would write."""
    made: list[Line] = []
    previous = GENESIS
    for line in lines:
        previous = chained(line, previous)
        made.append(line._replace(hash=previous))
    return made
