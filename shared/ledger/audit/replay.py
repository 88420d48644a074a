"""The account as the customer's commands make it: the terms at each place among the lines."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from shared.ledger.account import Account, Head
from shared.ledger.audit.asked import NO_SLACK, Asked, Days
from shared.ledger.audit.fault import Wrong
from shared.ledger.audit.terms import account_of, contact_after, terms_after, terms_billed_up_to
from shared.ledger.commands import BillUpToSet, Changed, SignedUp
from shared.ledger.line import Line
from shared.ledger.terms import FIELDS, Terms


class Replay:
    """Applies signup, changes and bills ahead to an account while the lines are read.

    `heads` are the latest lines by label, ascending; the audit keeps them up to date.
    """

    def __init__(
        self,
        asked: Sequence[Asked],
        heads: dict[str, Line],
        days: Days,
        slack: timedelta = NO_SLACK,
    ) -> None:
        self.account: Account | None = None
        """None while no signup was accepted."""
        self._asked = asked
        self._heads = heads
        self._days = days
        self._slack = slack
        self._makers: list[int] = []
        """The places in `asked` of the commands that change the terms; `_taken` of them are
        applied."""
        self._taken = 0
        for at, each in enumerate(asked):
            if each.outcome == "accepted":
                if isinstance(each.command, SignedUp):
                    self.account = account_of(each.command)
                    self.account.terms = _shared(self.account.terms)
                elif isinstance(each.command, Changed | BillUpToSet):
                    self._makers.append(at)

    @property
    def head(self) -> Line | None:
        """The latest line of the last period."""
        return next(reversed(self._heads.values())) if self._heads else None

    @property
    def terms(self) -> Terms:
        """The terms as applied so far. There is an account."""
        assert self.account is not None
        return self.account.terms

    def closed(self) -> Account | None:
        """Return the account with the end of its last period up to date."""
        if self.account is not None and (head := self.head) is not None:
            self.account.closed = Head(head.period, head.due, head.coverage_to)
        return self.account

    def next_of(self, instant: datetime) -> Changed | BillUpToSet | None:
        """Return the next command that changes the terms, if it was judged at this instant, give
        or take the slack."""
        if self._taken == len(self._makers):
            return None
        asked = self._asked[self._makers[self._taken]]
        if abs(asked.recorded_at - instant) > self._slack:
            return None
        assert isinstance(asked.command, Changed | BillUpToSet)
        return asked.command

    def billed_by(self, later: Changed, instant: datetime) -> date:
        """Return the day up to which a transaction bills before it applies a change. With slack
        the bill may be one of an earlier transaction, which may have billed up to any day."""
        if self._slack:
            return date.max
        days = [self._days.known(instant)]
        for each in self._asked:
            if each.recorded_at == instant and each.outcome == "accepted":
                if isinstance(each.command, SignedUp):
                    days.append(each.command.signed_up_on)
                elif isinstance(each.command, Changed):
                    days.append(each.command.changed_on)
            if each.command.command_id == later.command_id:
                break
        return max(days)

    def take_until(self, instant: datetime) -> Wrong | None:
        """Apply what transactions of earlier instants did to the terms."""
        while self._taken < len(self._makers):
            if self._asked[self._makers[self._taken]].recorded_at >= instant - self._slack:
                return None
            if (wrong := self.take()) is not None:
                return wrong
        return None

    def take_before(self, at: int) -> Wrong | None:
        """Apply what the commands before place `at` did to the terms."""
        while self._taken < len(self._makers) and self._makers[self._taken] < at:
            if (wrong := self.take()) is not None:
                return wrong
        return None

    def take(self) -> Wrong | None:
        """Apply the next command that changes the terms; there is one."""
        account, command = self.closed(), self._asked[self._makers[self._taken]].command
        self._taken += 1
        if account is None:
            return f"the signup before {command.command_id}", "not in the book", "accepted"
        if isinstance(command, Changed):
            assert account.contact is not None
            asked = self._asked[self._makers[self._taken - 1]]
            earlier = self._days.earlier(asked.recorded_at)
            account.terms = terms_after(
                account.terms, command, account.joined_on, self._billed(), earlier
            )
            account.contact = contact_after(account.contact, command)
        else:
            assert isinstance(command, BillUpToSet)
            ends = day_after(command.up_to)
            if account.billed_through != ends:
                return (
                    f"coverage after {command.command_id}",
                    str(account.billed_through),
                    str(ends),
                )
            account.terms = terms_billed_up_to(account.terms, ends)
        account.terms = _shared(account.terms)
        return None

    def _billed(self) -> list[date]:
        """Return the first days of the periods, and the first day not billed yet."""
        account = self.closed()
        assert account is not None
        starts = [line.coverage_from for line in self._heads.values()]
        return [*starts, account.billed_through]

    def terms_before(self, at: int) -> Terms:
        """Return the terms by which the command at place `at` was judged, if it came after all
        lines so far."""
        account = self.closed()
        assert account is not None
        terms, billed = account.terms, self._billed()
        for maker in self._makers[self._taken :]:
            if maker < at:
                command = self._asked[maker].command
                if isinstance(command, Changed):
                    earlier = self._days.earlier(self._asked[maker].recorded_at)
                    terms = terms_after(terms, command, account.joined_on, billed, earlier)
                elif isinstance(command, BillUpToSet):
                    terms = terms_billed_up_to(terms, day_after(command.up_to))
        return terms


def day_after(day: date) -> date:
    return day + timedelta(days=1)


def _shared(terms: Terms) -> Terms:
    """Return one value for equal terms: bills are priced once for all who share them."""
    if len(SHARED) > SHARED_MAX:
        SHARED.clear()
    return SHARED.setdefault(tuple(getattr(terms, name) for name in FIELDS), terms)


SHARED: dict[Any, Terms] = {}
SHARED_MAX = 20_000
