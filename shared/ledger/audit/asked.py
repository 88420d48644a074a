"""What the audit is given besides lines: commands and outcomes, and what was known when."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import Generic, NamedTuple, TypeVar

from shared.ledger.account import NEVER
from shared.ledger.commands import Command

T = TypeVar("T")

IN_FLIGHT = timedelta(minutes=10)
"""No transaction of the fleet lasts longer, so what was written that long ago was known."""


class Asked(NamedTuple):
    """A command as the book keeps it: its outcome, the transaction that judged it (an xid) and
    the instant of that. Nothing here is trusted, so outcome and reason are plain texts."""

    command: Command
    outcome: str
    xid: int
    reason: str | None = None
    recorded_at: datetime = NEVER


class InTime(Generic[T]):
    """Successive values: `first`, then each from its (xid, instant) on."""

    def __init__(self, first: T, later: Sequence[tuple[int, datetime, T]] = ()) -> None:
        self._xids = [xid for xid, _, _ in later]
        self._instants = list(accumulate((at for _, at, _ in later), max))
        self._values = [first, *(value for _, _, value in later)]

    def known(self, xid: int, at: datetime) -> list[T]:
        """Return the values that a transaction can have known, the newest first. There are several
        where values were written while it may have been running: the book does not record which
        of those it saw."""
        newest = max(bisect_left(self._xids, xid), bisect_right(self._instants, at))
        oldest = min(bisect_left(self._xids, xid), bisect_left(self._instants, at - IN_FLIGHT))
        return self._values[oldest : newest + 1][::-1]


class Days:
    """The business dates that a transaction may have seen, and how far runs have billed.

    `ticks` are the accepted ones as (xid, instant, as_of) in the order of judgement; `billed_to`
    is the latest `as_of` of a run that is done.
    """

    def __init__(
        self, ticks: Sequence[tuple[int, datetime, date]] = (), billed_to: date | None = None
    ) -> None:
        self._xids = [xid for xid, _, _ in ticks]
        self._days = list(accumulate((day for _, _, day in ticks), max))
        later = [(xid, at, day) for (xid, at, _), day in zip(ticks, self._days, strict=True)]
        self.dates = InTime(date.min, later)
        self.billed_to = billed_to

    def known(self, xid: int) -> date:
        at = bisect_left(self._xids, xid)
        return self._days[at - 1] if at else date.min
