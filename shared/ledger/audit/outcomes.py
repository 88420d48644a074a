"""Every outcome of a customer judged again, each at its place among the lines.

A refused command leaves no line, so its place must be found: after the lines of commands judged
before it, before those of commands judged after it. A bill of the same instant, give or take the
slack of a clock that was set back, may come before or after it; then both places are tried.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from shared.ledger.audit.allowed import lacks_price, not_allowed
from shared.ledger.audit.asked import NO_SLACK, Asked, Days, InTime
from shared.ledger.audit.effects import Moved
from shared.ledger.audit.fault import Fault, Wrong
from shared.ledger.audit.refusals import WAITS, Known, reason_against
from shared.ledger.audit.withdrawals import withdrawals
from shared.ledger.commands import (
    BillUpToSet,
    CancellationRequested,
    Changed,
    Command,
    PaymentReceived,
    SignedUp,
    Ticked,
)
from shared.ledger.decide import judge_tick
from shared.ledger.line import Line
from shared.ledger.policy.policy import Policy
from shared.ledger.terms import Terms

HELD = ("reference_already_used", "username_taken")
"""Reasons that depend on other customers, whose rows are not at hand."""
MAKERS = (SignedUp, Changed, BillUpToSet)
"""Commands that bill first, so that no single line marks their place."""


class Books(NamedTuple):
    """The books of a customer at one place among the lines: the latest lines by label, what
    commands did, the terms before the command at a place in `asked`, and the newest policy
    version that a line names so far."""

    heads: dict[str, Line]
    moved: Mapping[str, Moved]
    terms_before: Callable[[int], Terms]
    version: Callable[[], int]


class Outcomes:
    """`asked` are the customer's commands in the order of judgement; `versions` the policies."""

    def __init__(
        self,
        asked: Sequence[Asked],
        versions: InTime[Policy],
        days: Days,
        slack: timedelta = NO_SLACK,
    ) -> None:
        self._asked = asked
        self._slack = slack
        self._versions = versions
        self._days = days
        self.withdrawals = withdrawals(asked)
        self.refusals = [
            at
            for at, each in enumerate(asked)
            if each.outcome != "accepted" and at not in self.withdrawals
        ]
        self._settled = 0
        """How many of `refusals` are checked and right."""
        self._right: set[int] = set()
        """Later refusals that were right at a place that may be theirs."""
        self._commands: dict[str, Command] = {}
        self._signup: SignedUp | None = None
        self._signed_up = len(asked)
        if self.refusals or any(not _is_plain(each.command) for each in asked):
            self._commands = {each.command.command_id: each.command for each in asked}
            for at in reversed(range(len(asked))):
                command = asked[at].command
                if asked[at].outcome == "accepted" and isinstance(command, SignedUp):
                    self._signup, self._signed_up = command, at

    def before_line(self, at: int | None, instant: datetime, books: Books) -> Wrong | None:
        """Judge the refusals that come before a line of an instant, which is that of the command at
        place `at`; with None it is a bill made by a run or a command of the same instant. Not
        for restatements."""
        earliest, latest = instant - self._slack, instant + self._slack
        for place in range(self._settled, len(self.refusals)):
            one = self.refusals[place]
            judged = self._asked[one].recorded_at
            if one < at if at is not None else judged < earliest:
                if (wrong := self._wrong(one, books)) is not None:
                    return wrong
                self._settled = place + 1
            elif at is None and judged <= latest:
                if self._wrong(one, books) is None:
                    self._right.add(one)
            else:
                break
        return None

    def accepted(self, at: int, books: Books) -> Wrong | None:
        """Judge whether a command was rightly accepted, just before its line. Changes and bills
        ahead bill first, so `end` judges those. Payments need no call: nothing in the customer's
        own rows can forbid one."""
        if isinstance(self._asked[at].command, Changed | BillUpToSet):
            return None
        return self._wrong(at, books)

    def end(self, books: Books) -> Wrong | None:
        """Judge the refusals after the last line, and of accepted signups, changes, bills
        ahead and withdrawals what the policy alone decides."""
        for one in self.refusals[self._settled :]:
            if (wrong := self._wrong(one, books)) is not None:
                return wrong
        withdrawing = set(self.withdrawals.values())
        for at, each in enumerate(self._asked):
            command = each.command
            withdraws = at in withdrawing
            if each.outcome != "accepted" or not (withdraws or type(command) in MAKERS):
                continue
            policies = self._versions.known(each.recorded_at, self._slack)
            earlier = self._days.earlier(each.recorded_at)
            reasons = [self._against_maker(command, policy, earlier) for policy in policies]
            if None not in reasons:
                return _differs(each, reasons[0])
        return None

    def _against_maker(self, command: Command, policy: Policy, earlier: bool) -> str | None:
        joined_on = self._signup.joined_on if self._signup is not None else date.min
        if (reason := not_allowed(command, policy, earlier)) is not None:
            return reason
        if isinstance(command, Changed) and command.effective_on < joined_on:
            return "before_joining"
        if isinstance(command, SignedUp | Changed) and lacks_price(command, policy):
            return "unknown_price"
        return None

    def _wrong(self, at: int, books: Books) -> Wrong | None:
        if at in self._right:
            return None
        asked = self._asked[at]
        wanted: list[str | None] = []
        for policy in self._policies(asked, books):
            for business_date in self._days.dates.known(asked.recorded_at, self._slack):
                known = Known(
                    self._signup if at > self._signed_up else None,
                    books.heads,
                    books.moved,
                    self._commands,
                    lambda: books.terms_before(at),
                    policy,
                    business_date,
                    asked.reason in HELD,
                    self._days.earlier(asked.recorded_at),
                )
                wanted.append(reason_against(asked.command, known))
                if wanted[-1] == asked.reason or self._may_not_withdraw(at, policy):
                    return None
        return _differs(asked, wanted[0])

    def _may_not_withdraw(self, at: int, policy: Policy) -> bool:
        """Whether a cancellation was rightly refused because it named a command that waited, which
        its actor may not withdraw. What waits is not in the customer's outcomes yet."""
        command, _, reason, _ = self._asked[at]
        if not isinstance(command, CancellationRequested) or reason != "not_permitted":
            return False
        judged = any(each.command.command_id == command.cancels for each in self._asked[:at])
        return not judged and not_allowed(command, policy) == reason

    def _policies(self, asked: Asked, books: Books) -> list[Policy]:
        """Return the versions that may have been known: none older than an earlier line names."""
        known = self._versions.known(asked.recorded_at, self._slack)
        return [each for each in known if each.version >= books.version()] or known


def _is_plain(command: Command) -> bool:
    return isinstance(command, SignedUp | PaymentReceived)


def _differs(asked: Asked, wanted: str | None) -> Wrong:
    what = f"the outcome of {asked.command.command_id}"
    return what, or_accepted(asked.reason), WAITS if wanted == WAITS else or_accepted(wanted)


def or_accepted(reason: str | None) -> str:
    return "accepted" if reason is None else f"refused: {reason}"


def ticks_fault(ticks: Sequence[tuple[Ticked, str, str | None]]) -> Fault | None:
    """Judge all ticks again, given as (tick, outcome, reason) in order; return the first fault."""
    business_date: date | None = None
    for at, (tick, outcome, reason) in enumerate(ticks, 1):
        wanted = judge_tick(tick, business_date)
        if business_date is None and wanted is None and not tick.allow_gap:
            # The first tick was held against its record's timestamp, which the book does not keep.
            wanted = "gap_too_large" if reason == "gap_too_large" else None
        if reason != wanted or (outcome == "accepted") != (wanted is None):
            return Fault("-", at, f"the outcome of {tick.command_id}", or_accepted(reason),
                         or_accepted(wanted))  # fmt: skip
        if wanted is None:
            business_date = max(business_date or tick.as_of, tick.as_of)
    return None
