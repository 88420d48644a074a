"""The audit: every line of a customer recomputed from the commands about them.

Nothing in a line is trusted. What each kind of line may do to its period, what
commands make of the terms, and what is refused are written a second time (`effects`, `terms`,
`refusals`). Shared with the rules are rounding, months, how terms are read on a day, the price of a
coverage, the tax of a policy and the hash.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta

from shared.ledger.account import NEVER
from shared.ledger.audit.asked import NO_SLACK, Asked, Days, InTime, PolicyVersions
from shared.ledger.audit.asked_for import days_made, with_its_day
from shared.ledger.audit.closing import Opened, account_differs, not_cascaded, unanswered
from shared.ledger.audit.effects import OWN, Case, Moved, expected
from shared.ledger.audit.fault import (
    COMMAND_AT,
    RECORDED_AT,
    Fault,
    Wrong,
    agrees,
    compared,
    differs,
    first_difference,
    unlike,
    wrong_amount,
)
from shared.ledger.audit.outcomes import Books, Outcomes
from shared.ledger.audit.replay import Replay, day_after
from shared.ledger.charge import Bill, new_bill
from shared.ledger.commands import BillUpToSet, Changed, Command, PaymentReceived, SignedUp
from shared.ledger.line import GENESIS, Line, chained, rechained
from shared.ledger.period import label_of, months_after
from shared.ledger.policy.policy import Policy


class Audit:
    """Checks one customer's lines: `fault` for each in the order of seq, then `end`.

    `asked` are all commands about the customer in the order they were judged; `versions` are the
    policies in time. Instants order what was written in different transactions; `slack` is by how
    much they may contradict each other, where a clock was set back. A bill then knew as few of the
    changes around it as explain its price.
    """

    def __init__(
        self,
        customer_id: str,
        policies: PolicyVersions,
        asked: Sequence[Asked],
        days: Days,
        versions: InTime[Policy],
        slack: timedelta = NO_SLACK,
    ) -> None:
        self._customer_id = customer_id
        self._policies = policies
        self._versions = versions
        self._days = days
        self._slack = slack
        self._asked = {each.command.command_id: at for at, each in enumerate(asked)}
        self._all = asked
        self._last: Line | None = None
        self._hash = GENESIS
        self._heads: dict[str, Line] = {}
        """The latest line of each period by label, ascending."""
        self._moved: dict[str, Moved] = {}
        self._replay = Replay(asked, self._heads, days, slack)
        self._outcomes = Outcomes(asked, versions, days, slack)
        self._bill_version = 0
        """The policy version of the newest first line of a period."""
        self._newest = 0
        """The newest policy version that a line names."""
        self._books = Books(
            self._heads, self._moved, self._replay.terms_before, lambda: self._newest
        )

    def fault(self, line: Line, canonical: bytes | None = None) -> Fault | None:
        """Check the next line against all before it; return the first fault. `canonical` is the
        line's canonical form, where the caller has it already."""
        before = self._heads.get(line.period)
        digest = (
            chained(line, self._hash) if canonical is None else rechained(canonical, self._hash)
        )
        wrong = (
            self._place(line, before)
            or (self._refusals_before(line, before) if self._outcomes.refusals else None)
            or (self._begins(line) if before is None else self._follows(line, before))
            or (None if line.hash == digest else ("hash", line.hash.hex(), digest.hex()))
            or (None if before is None else self._at_once(line))
        )
        if wrong is not None:
            return Fault(self._customer_id, line.seq, *wrong)
        self._last, self._hash = line, line.hash
        self._newest = max(self._newest, line.policy_version)
        self._heads[line.period] = line
        return None

    def end(self, opened: Opened | None, excused: bool = False) -> Fault | None:
        """Check, after the last line, what is missing and whether the account is right.

        `excused` is true for a quarantined customer: no run bills them, so missing months are
        then no fault.
        """
        replay, account = self._replay, self._replay.account
        wrong = (
            unanswered(self._all, self._moved, self._outcomes.withdrawals.values())
            or self._outcomes.end(self._books)
            or replay.take_before(len(self._all))
            or not_cascaded(self._heads, account.opening_due if account else 0)
            or account_differs(account, opened, bool(self._slack))
            or (None if excused else self._behind())
        )
        seq = self._last.seq if self._last else 0
        return None if wrong is None else Fault(self._customer_id, seq + 1, *wrong)

    # Lines ------------------------------------------------------------------------------------

    def _place(self, line: Line, before: Line | None) -> Wrong | None:
        """Check the line's place in the chain, and the sum that every line must give."""
        last = self._last
        seq, not_before = (last.seq + 1, last.recorded_at) if last else (1, NEVER)
        neighbour = self._heads.get(months_after(line.period, -1))
        if neighbour is not None:
            opens_with = neighbour.due
        else:
            account = self._replay.account
            opens_with = account.opening_due if account else 0
        due = line.previous_due + line.charge - line.discount + line.vat - line.paid
        revision = before.revision + 1 if before else 0
        if (
            line.seq == seq
            and line.revision == revision
            and line.previous_due == opens_with
            and line.due == due
            and line.recorded_at >= not_before
        ):
            return None
        return (
            differs("seq", line.seq, seq)
            or differs("revision", line.revision, revision)
            or wrong_amount("previous_due", line.previous_due, opens_with)
            or wrong_amount("due", line.due, due)
            or ("recorded_at", str(line.recorded_at), f"not before {not_before}")
        )

    def _refusals_before(self, line: Line, before: Line | None) -> Wrong | None:
        """Judge what was refused before the line was written."""
        if line.kind == "restatement":
            return None  # a command is never judged in the middle of a cascade
        at = None if before is None else self._asked.get(line.command_id)
        return self._outcomes.before_line(at, line.recorded_at, self._books)

    def _begins(self, line: Line) -> Wrong | None:
        """Check a period's first line: a bill or skip row that starts where the period before it
        ends, priced by the terms as they were known."""
        account, last = self._replay.account, self._replay.head
        if account is None:
            return "the signup", "not in the book", "accepted"
        starts, label = account.bill_from, label_of(account.bill_from)
        if last is not None:
            starts, label = last.coverage_to, months_after(last.period, 1)
        return (
            differs("period", line.period, label)
            or differs("coverage_from", line.coverage_from, starts)
            or self._replay.take_until(line.recorded_at)
            or self._price(line)
            or self._made(line)
            or self._bill_header(line)
            or self._billed_up_to(line)
        )

    def _price(self, line: Line) -> Wrong | None:
        """Check the price of a first line against the terms known when it was written.

        Those of earlier transactions were known. Of the commands of its own transaction as many
        are applied, one after another, as must have come before it.
        """
        at = line.recorded_at
        policy = self._known_at(line).get(line.policy_version)
        if policy is None or line.policy_version < self._bill_version:
            return "policy_version", str(line.policy_version), f"one from {self._bill_version} on"
        self._bill_version = line.policy_version
        bill = self._bill(line, policy)
        while (later := self._replay.next_of(at)) is not None:
            in_time = isinstance(
                later, BillUpToSet
            ) or line.coverage_from <= self._replay.billed_by(later, at)
            if in_time and bill is not None and agrees(line, bill):
                return None
            if (wrong := self._replay.take()) is not None:
                return wrong
            bill = self._bill(line, policy)
        if bill is None:
            return "a period", "there", "none: the customer has left"
        return None if agrees(line, bill) else unlike(line, bill)

    def _made(self, line: Line) -> Wrong | None:
        """Check the days on which a first line was made and its period is asked for."""
        at = line.recorded_at
        if self._days.earlier(at):
            days: Collection[date] = {line.coverage_from}
        else:
            makers = [
                each.command
                for each in self._all
                if abs(each.recorded_at - at) <= self._slack
                and isinstance(each.command, SignedUp | Changed | BillUpToSet)
            ]
            days = days_made(self._days.dates.known(at, self._slack), makers)
        if line.made_on not in days:
            return "made_on", str(line.made_on), f"the business date, or {max(days, default=None)}"
        return differs("asked_on", line.asked_on, max(line.coverage_from, line.made_on))

    def _known_at(self, line: Line) -> Mapping[int, Policy]:
        """Return the policy versions that the transaction of a line can have known: those applied
        by its instant, and in any case those that it and the lines before it name."""
        known = self._versions.known(line.recorded_at, self._slack)
        named = self._newest, line.policy_version, line.bill_policy_version
        return self._policies.up_to(max(*named, *(each.version for each in known)))

    def _bill_header(self, line: Line) -> Wrong | None:
        """Check what a bill states about its command, and the actor if there is one."""
        if line.actor is not None and not self._asked_by(line.actor, line.recorded_at):
            return "actor", line.actor, "who asked for the bill, or nobody"
        command_id = f"bill/{self._customer_id}/{line.period}"
        wanted = (command_id, None, line.coverage_from, line.actor, None, line.policy_version)
        if line[COMMAND_AT:RECORDED_AT] != wanted:
            return first_difference(line, COMMAND_AT, wanted)
        return None

    def _billed_up_to(self, line: Line) -> Wrong | None:
        """The last bill of a bill-up-to moves the anchor: apply that to the terms."""
        later = self._replay.next_of(line.recorded_at)
        if isinstance(later, BillUpToSet) and line.coverage_to == day_after(later.up_to):
            self._heads[line.period] = line
            return self._replay.take()
        return None

    def _asked_by(self, actor: str, instant: datetime) -> bool:
        return any(
            abs(each.recorded_at - instant) <= self._slack
            and getattr(each.command, "actor", None) == actor
            for each in self._all
        )

    def _bill(self, line: Line, policy: Policy) -> Bill | None:
        """Price the coverage by the terms applied so far; None where these make no period."""
        terms = self._replay.terms
        if terms.left_for_good_on(line.coverage_from):
            return None
        bill = new_bill(terms, line.coverage_from, policy)
        if bill.coverage_to != line.coverage_to:
            later = self._replay.next_of(line.recorded_at)
            if isinstance(later, BillUpToSet) and line.coverage_to == day_after(later.up_to):
                return new_bill(terms, line.coverage_from, policy, line.coverage_to)
        return bill

    def _follows(self, line: Line, before: Line) -> Wrong | None:
        """Check a later line of a period: its command's own line, or a restatement."""
        if line.kind == "restatement":
            return self._restates(line, before)
        at = self._asked.get(line.command_id)
        kind = OWN.get(line.kind)
        if at is None or kind is None or not isinstance(self._all[at].command, kind):
            return "command_id", line.command_id, f"the command of this {line.kind}"
        command, outcome, *_ = self._all[at]
        command_id = line.command_id
        if outcome != "accepted":
            return f"the outcome of {command_id}", outcome, f"accepted: here is its {line.kind}"
        if command_id in self._moved and not isinstance(command, Changed):
            return "a second line", command_id, "one line of its own"
        return self._replay.take_before(at + isinstance(command, Changed)) or self._does(
            line, before, command
        )

    def _does(self, line: Line, before: Line, command: Command) -> Wrong | None:
        """Check a command's own line against what the command does to the period."""
        policies = self._known_at(line)
        policy = policies.get(line.policy_version)
        if policy is None:
            return "policy_version", str(line.policy_version), "one in the book"
        if not isinstance(command, PaymentReceived):
            wrong = self._outcomes.accepted(self._asked[line.command_id], self._books)
            if wrong is not None:
                return wrong
        case = Case(
            line,
            before,
            self._replay.terms,
            policy,
            policies[before.bill_policy_version],
            policies,
            self._moved,
            first=line.period == next(iter(self._heads)),
            last=line.period == next(reversed(self._heads)),
            earlier=self._days.earlier(line.recorded_at),
        )
        effect = expected(command, case)
        if isinstance(effect, str):
            return f"the period of {line.command_id}", line.period, effect
        self._moved[line.command_id] = Moved(before, line)
        wanted, header = effect
        if not self._days.earlier(line.recorded_at):
            dates = self._days.dates.known(line.recorded_at, self._slack)
            wanted = with_its_day(wanted, line, before, command, dates)
        wrong = compared(line, wanted, header)
        if wrong is None and isinstance(command, BillUpToSet):
            self._heads[line.period] = line
            return self._replay.take()
        return wrong

    def _restates(self, line: Line, before: Line) -> Wrong | None:
        """Check a restatement: part of the cascade of the line before it, in a later period."""
        last = self._last
        assert last is not None
        header = (
            last.command_id,
            None,
            last.effective_on,
            last.actor,
            last.reason,
            before.bill_policy_version,
        )
        if line.period <= last.period:
            return "a restatement", line.period, f"a period after {last.period}"
        return compared(line, before, header)

    def _at_once(self, line: Line) -> Wrong | None:
        """Check that a later line of a period was written with its command, or with the line whose
        cascade it belongs to. A transaction's instant is never before the customer's last line;
        older releases kept the clock's in the command's row."""
        last = self._last
        assert last is not None
        judged = last.recorded_at
        if line.kind != "restatement":
            judged = max(judged, self._all[self._asked[line.command_id]].recorded_at)
        if line.recorded_at == judged:
            return None
        return "recorded_at", str(line.recorded_at), f"{judged}, that of {line.command_id}"

    def _behind(self) -> Wrong | None:
        """Every customer who can be billed was billed by the last run that is done."""
        account, billed_to = self._replay.closed(), self._days.billed_to
        if account is None or billed_to is None:
            return None
        through = account.billed_through
        if through > billed_to or account.terms.left_for_good_on(through):
            return None
        return "billed_through", str(through), f"after {billed_to}: that run is done"
