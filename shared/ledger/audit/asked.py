"""What the audit is given besides lines: commands and outcomes, and what was known when."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import Generic, NamedTuple, TypeVar

from shared.ledger.account import NEVER
from shared.ledger.commands import Command
from shared.ledger.policy.policy import Policy, read_together

T = TypeVar("T")

IN_FLIGHT = timedelta(minutes=10)
"""No transaction of the fleet lasts longer, so what was written that long ago was known."""
NO_SLACK = timedelta(0)
"""No clock was set back: instants order what was written."""


class Asked(NamedTuple):
    """A command as the book keeps it: its outcome and the instant of that, which all lines that
    the same transaction wrote for the customer bear too. Nothing here is trusted, so outcome and
    reason are plain texts."""

    command: Command
    outcome: str
    reason: str | None = None
    recorded_at: datetime = NEVER


class InTime(Generic[T]):
    """Successive values: `first`, then each from its instant on. The order of the values counts;
    instants may contradict it where a clock was set back."""

    def __init__(self, first: T, later: Sequence[tuple[datetime, T]] = ()) -> None:
        instants = [at for at, _ in later]
        self._latest = list(accumulate(instants, max))
        self._earliest = list(accumulate(reversed(instants), min))[::-1]
        self._values = [first, *(value for _, value in later)]

    def known(self, at: datetime, slack: timedelta = NO_SLACK) -> list[T]:
        """Return the values that a transaction of this instant can have known, the newest first.
        There are several where values were written while it may have been running, or `slack`
        around it: the book does not record which of those it saw."""
        newest = bisect_right(self._earliest, at + slack)
        oldest = bisect_left(self._latest, at - IN_FLIGHT - slack)
        return self._values[oldest : newest + 1][::-1]


class PolicyVersions(dict[int, Policy]):
    """Policies by version, and with the price lists that their bills read at an earlier time."""

    def __init__(self, policies: Mapping[int, Policy]) -> None:
        super().__init__(policies)
        self._known: dict[int, Mapping[int, Policy]] = {}

    def up_to(self, newest: int) -> Mapping[int, Policy]:
        """Return the versions as they were read when `newest` was the newest: a code that a version
        lacks is read from a later one, but not from one to come."""
        if newest not in self._known:
            known = {version: each for version, each in self.items() if version <= newest}
            self._known[newest] = read_together(known)
        return self._known[newest]


class Days:
    """The business dates that a transaction may have seen, and how far runs have billed.

    `ticks` are the accepted ones as (instant, as_of) in the order of judgement; `billed_to` is the
    latest `as_of` of a run that is done. What was written before `since` follows the rules of
    releases before 2026-12 (`earlier`).
    """

    def __init__(
        self,
        ticks: Sequence[tuple[datetime, date]] = (),
        billed_to: date | None = None,
        since: datetime = NEVER,
    ) -> None:
        days = accumulate((day for _, day in ticks), max)
        self.dates = InTime(date.min, [(at, day) for (at, _), day in zip(ticks, days, strict=True)])
        self.billed_to = billed_to
        self._since = since

    def earlier(self, at: datetime) -> bool:
        """Whether a release before 2026-12 wrote what bears this instant."""
        return at < self._since

    def known(self, at: datetime) -> date:
        """Return the latest business date that a transaction can have known."""
        return self.dates.known(at)[0]
