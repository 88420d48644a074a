"""The audit: every line of a customer recomputed from the commands that he was asked with.

It trusts nothing that a line says of itself. What each kind of line may do to its period, what
commands make of the terms, and what is refused are written a second time (`effects`,
`audit_terms`, `refusals`); with the rules it shares what they are made of: rounding, months, how
terms are read on a day, the price of a coverage, the tax of a policy and the hash.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from shared.ledger.account import NEVER, Account, Contact, Head
from shared.ledger.asked import Asked, Days, InTime
from shared.ledger.audit_terms import account_of, contact_after, terms_after, terms_billed_up_to
from shared.ledger.charge import Bill, new_bill
from shared.ledger.commands import BillUpToSet, Changed, Command, PaymentReceived, SignedUp, Ticked
from shared.ledger.decide import judge_tick
from shared.ledger.effects import OWN, Case, Moved, expected
from shared.ledger.fault import (
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
from shared.ledger.line import GENESIS, Line, chained, rechained
from shared.ledger.money import decimal
from shared.ledger.outcomes import Books, Outcomes, or_accepted
from shared.ledger.period import label_of, months_after
from shared.ledger.policy import Policy
from shared.ledger.terms import FIELDS, Terms


class Opened(NamedTuple):
    """What the book holds of an account besides its lines."""

    joined_on: date
    bill_from: date
    opening_due: int
    terms: Terms
    contact: Contact


class Audit:
    """Takes one customer's lines in the order of seq: `fault` of each tells the first fault,
    `end` what is missing. `asked` are all commands about him, in the order they were judged;
    `versions` tells which policy was known when."""

    def __init__(
        self,
        customer_id: str,
        policies: Mapping[int, Policy],
        asked: Sequence[Asked],
        days: Days,
        versions: InTime[Policy],
    ) -> None:
        self._customer_id = customer_id
        self._policies = policies
        self._days = days
        self._asked = {each.command.command_id: at for at, each in enumerate(asked)}
        self._all = asked
        self._account: Account | None = None
        self._makers: list[int] = []
        """Which of `asked` move the terms; `_taken` of them have."""
        self._taken = 0
        for at, each in enumerate(asked):
            if each.outcome == "accepted":
                if isinstance(each.command, SignedUp):
                    self._account = account_of(each.command)
                    self._account.terms = _shared(self._account.terms)
                elif isinstance(each.command, Changed | BillUpToSet):
                    self._makers.append(at)
        self._last: Line | None = None
        self._hash = GENESIS
        self._heads: dict[str, Line] = {}
        self._last_label = ""
        self._version = 0
        self._moved: dict[str, Moved] = {}
        self._outcomes = Outcomes(asked, versions, days)
        self._newest = 0
        self._books = Books(self._heads, self._moved, self._terms_before, lambda: self._newest)

    def fault(self, line: Line, xid: int, canonical: bytes | None = None) -> Fault | None:
        """Check the next line against all before it; `canonical` is its canonical form, where
        that is at hand already."""
        before = self._heads.get(line.period)
        digest = (
            chained(line, self._hash) if canonical is None else rechained(canonical, self._hash)
        )
        wrong = (
            self._place(line, before)
            or (self._refusals_before(line, before, xid) if self._outcomes.refusals else None)
            or (self._begins(line, xid) if before is None else self._follows(line, before, xid))
            or (None if line.hash == digest else ("hash", line.hash.hex(), digest.hex()))
        )
        if wrong is not None:
            return Fault(self._customer_id, line.seq, *wrong)
        self._last, self._hash = line, line.hash
        self._newest = max(self._newest, line.policy_version)
        self._heads[line.period] = line
        if before is None:
            self._last_label = line.period
        return None

    def end(self, opened: Opened | None, excused: bool = False) -> Fault | None:
        """Check, after the last line, what must have come and how the account stands.

        `excused` is who no run bills: he waits for a person.
        """
        wrong = (
            self._unanswered()
            or self._outcomes.end(self._books)
            or self._take_before(len(self._all))
            or self._cascaded()
            or self._stands(opened)
            or (None if excused else self._behind())
        )
        seq = self._last.seq if self._last else 0
        return None if wrong is None else Fault(self._customer_id, seq + 1, *wrong)

    # Lines ------------------------------------------------------------------------------------

    def _place(self, line: Line, before: Line | None) -> Wrong | None:
        """Where the line stands, and the sum that every line must give."""
        last = self._last
        seq, not_before = (last.seq + 1, last.recorded_at) if last else (1, NEVER)
        neighbour = self._heads.get(months_after(line.period, -1))
        if neighbour is not None:
            opens_with = neighbour.due
        else:
            opens_with = self._account.opening_due if self._account else 0
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

    def _refusals_before(self, line: Line, before: Line | None, xid: int) -> Wrong | None:
        """Judge what was refused before the line was written."""
        if line.kind == "restatement":
            return None  # half a cascade is no place to judge at
        at = None if before is None else self._asked.get(line.command_id)
        return self._outcomes.before_line(at, xid, self._books)

    def _begins(self, line: Line, xid: int) -> Wrong | None:
        """A period's first line: a bill or skip row that goes on where the one before it ends,
        priced by the terms as they were known."""
        account = self._account
        if account is None:
            return "the signup", "not in the book", "accepted"
        starts, label = account.bill_from, label_of(account.bill_from)
        if self._last_label:
            starts = self._heads[self._last_label].coverage_to
            label = months_after(self._last_label, 1)
        return (
            differs("period", line.period, label)
            or differs("coverage_from", line.coverage_from, starts)
            or self._take_until(xid)
            or self._price(line, xid)
            or self._bill_header(line, xid)
            or self._billed_up_to(line, xid)
        )

    def _price(self, line: Line, xid: int) -> Wrong | None:
        """Price the coverage by the terms of its moment: those of earlier transactions, and of as
        many commands of its own transaction as must have come before it."""
        policy = self._policies.get(line.policy_version)
        if policy is None or line.policy_version < self._version:
            return "policy_version", str(line.policy_version), f"one from {self._version} on"
        self._version = line.policy_version
        bill = self._bill(line, xid, policy)
        while (later := self._later(xid)) is not None:
            in_time = isinstance(later, BillUpToSet) or line.coverage_from <= self._billed_by(
                later, xid
            )
            if in_time and bill is not None and agrees(line, bill):
                return None
            if (wrong := self._take()) is not None:
                return wrong
            bill = self._bill(line, xid, policy)
        if bill is None:
            return "a period", "there", "none: the customer has left"
        return None if agrees(line, bill) else unlike(line, bill)

    def _bill_header(self, line: Line, xid: int) -> Wrong | None:
        """What a bill says of its making: who asked for it, if anyone did."""
        if line.actor is not None and not self._asked_by(line.actor, xid):
            return "actor", line.actor, "who asked for the bill, or nobody"
        command_id = f"bill/{self._customer_id}/{line.period}"
        wanted = (command_id, None, line.coverage_from, line.actor, None, line.policy_version)
        if line[COMMAND_AT:RECORDED_AT] != wanted:
            return first_difference(line, COMMAND_AT, wanted)
        return None

    def _billed_up_to(self, line: Line, xid: int) -> Wrong | None:
        """With the last bill of a bill-up-to, the anchor moves."""
        later = self._later(xid)
        if isinstance(later, BillUpToSet) and line.coverage_to == _day_after(later.up_to):
            self._heads[line.period], self._last_label = line, line.period
            return self._take()
        return None

    def _asked_by(self, actor: str, xid: int) -> bool:
        return any(
            each.xid == xid and getattr(each.command, "actor", None) == actor for each in self._all
        )

    def _bill(self, line: Line, xid: int, policy: Policy) -> Bill | None:
        """Price the coverage by the terms at hand; None when these make no period."""
        assert self._account is not None
        terms = self._account.terms
        if terms.left_for_good_on(line.coverage_from):
            return None
        bill = new_bill(terms, line.coverage_from, policy)
        if bill.coverage_to != line.coverage_to:
            later = self._later(xid)
            if isinstance(later, BillUpToSet) and line.coverage_to == _day_after(later.up_to):
                return new_bill(terms, line.coverage_from, policy, line.coverage_to)
        return bill

    def _follows(self, line: Line, before: Line, xid: int) -> Wrong | None:
        """A later line of a period: what its command does to it, or a restatement."""
        if line.kind == "restatement":
            return self._restates(line, before)
        at = self._asked.get(line.command_id)
        kind = OWN.get(line.kind)
        if at is None or kind is None or not isinstance(self._all[at].command, kind):
            return "command_id", line.command_id, f"the command of this {line.kind}"
        command, outcome, judged, *_ = self._all[at]
        command_id = line.command_id
        if outcome != "accepted":
            return f"the outcome of {command_id}", outcome, f"accepted: here is its {line.kind}"
        if judged != xid:
            return "the transaction", str(xid), f"{judged}, that of {command_id}"
        if command_id in self._moved and not isinstance(command, Changed):
            return "a second line", command_id, "one line of its own"
        return self._take_before(at + isinstance(command, Changed)) or self._does(
            line, before, command
        )

    def _does(self, line: Line, before: Line, command: Command) -> Wrong | None:
        """A command's own line."""
        policy = self._policies.get(line.policy_version)
        if policy is None:
            return "policy_version", str(line.policy_version), "one in the book"
        if not isinstance(command, PaymentReceived):
            wrong = self._outcomes.accepted(self._asked[line.command_id], self._books)
            if wrong is not None:
                return wrong
        assert self._account is not None
        case = Case(
            line,
            before,
            self._account.terms,
            policy,
            self._policies[before.bill_policy_version],
            self._moved,
            first=line.period == next(iter(self._heads)),
            last=line.period == self._last_label,
        )
        effect = expected(command, case)
        if isinstance(effect, str):
            return f"the period of {line.command_id}", line.period, effect
        self._moved[line.command_id] = Moved(before, line)
        wrong = compared(line, *effect)
        if wrong is None and isinstance(command, BillUpToSet):
            self._heads[line.period] = line
            return self._take()
        return wrong

    def _restates(self, line: Line, before: Line) -> Wrong | None:
        """A restatement: the cascade of the line before it, in a later period."""
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

    # Terms ------------------------------------------------------------------------------------

    def _later(self, xid: int) -> Changed | BillUpToSet | None:
        """The next command that moves the terms, if the same transaction judged it."""
        if self._taken == len(self._makers):
            return None
        asked = self._all[self._makers[self._taken]]
        if asked.xid != xid:
            return None
        assert isinstance(asked.command, Changed | BillUpToSet)
        return asked.command

    def _billed_by(self, later: Changed, xid: int) -> date:
        """The day up to which a transaction bills before it takes a change."""
        told = [
            each.command.signed_up_on
            if isinstance(each.command, SignedUp)
            else each.command.changed_on
            for each in self._all[: self._asked[later.command_id] + 1]
            if each.xid == xid
            and each.outcome == "accepted"
            and isinstance(each.command, SignedUp | Changed)
        ]
        return max(self._days.known(xid), *told)

    def _take_until(self, xid: int) -> Wrong | None:
        """Take what earlier transactions did to the terms."""
        while self._taken < len(self._makers) and self._all[self._makers[self._taken]].xid < xid:
            if (wrong := self._take()) is not None:
                return wrong
        return None

    def _take_before(self, at: int) -> Wrong | None:
        """Take what the commands before one did to the terms."""
        while self._taken < len(self._makers) and self._makers[self._taken] < at:
            if (wrong := self._take()) is not None:
                return wrong
        return None

    def _take(self) -> Wrong | None:
        account, command = self._account, self._all[self._makers[self._taken]].command
        self._taken += 1
        if account is None:
            return f"the signup before {command.command_id}", "not in the book", "accepted"
        self._close(account)
        if isinstance(command, Changed):
            assert account.contact is not None
            account.terms = terms_after(
                account.terms, command, account.joined_on, account.billed_through
            )
            account.contact = contact_after(account.contact, command)
        else:
            assert isinstance(command, BillUpToSet)
            ends = _day_after(command.up_to)
            if account.billed_through != ends:
                return (
                    f"coverage after {command.command_id}",
                    str(account.billed_through),
                    str(ends),
                )
            account.terms = terms_billed_up_to(account.terms, ends)
        account.terms = _shared(account.terms)
        return None

    def _terms_before(self, at: int) -> Terms:
        """The terms that a command was judged by, if it came after all lines so far."""
        account = self._account
        assert account is not None
        self._close(account)
        terms, through = account.terms, account.billed_through
        for maker in self._makers[self._taken :]:
            if maker < at:
                command = self._all[maker].command
                if isinstance(command, Changed):
                    terms = terms_after(terms, command, account.joined_on, through)
                elif isinstance(command, BillUpToSet):
                    terms = terms_billed_up_to(terms, _day_after(command.up_to))
        return terms

    def _close(self, account: Account) -> None:
        if self._last_label:
            head = self._heads[self._last_label]
            account.closed = Head(head.period, head.due, head.coverage_to)

    # The end ----------------------------------------------------------------------------------

    def _unanswered(self) -> Wrong | None:
        """Accepted commands that must have left a line and did not."""
        for command, outcome, *_ in self._all:
            if outcome == "accepted" and not isinstance(command, SignedUp | Changed | BillUpToSet):
                command_id = command.command_id
                if command_id not in self._moved:
                    return f"the line of {command_id}", "missing", "there: it was accepted"
        return None

    def _cascaded(self) -> Wrong | None:
        """Each period opens with what the one before it closed."""
        due = self._account.opening_due if self._account else 0
        for label, head in self._heads.items():
            if head.previous_due != due:
                what = f"previous_due of {label}, its cascade done,"
                return what, decimal(head.previous_due), decimal(due)
            due = head.due
        return None

    def _stands(self, opened: Opened | None) -> Wrong | None:
        """The account is what the signup and the changes made of it."""
        account = self._account
        if account is None or opened is None:
            known = [account is not None, opened is not None]
            said = ("an account without a signup", "a signup without an account")
            return None if not any(known) else ("there", said[known[0]], "both")
        assert account.contact is not None
        return (
            differs("joined_on of the account", opened.joined_on, account.joined_on)
            or differs("bill_from of the account", opened.bill_from, account.bill_from)
            or wrong_amount("opening_due", opened.opening_due, account.opening_due)
            or differs("terms of the account", _named(opened.terms), _named(account.terms))
            or differs("contact", opened.contact, account.contact)
        )

    def _behind(self) -> Wrong | None:
        """Whoever can be billed was billed by the last run that is done."""
        account, billed_to = self._account, self._days.billed_to
        if account is None or billed_to is None:
            return None
        self._close(account)
        through = account.billed_through
        if through > billed_to or account.terms.left_for_good_on(through):
            return None
        return "billed_through", str(through), f"after {billed_to}: that run is done"


def ticks_fault(ticks: Sequence[tuple[Ticked, str, str | None]]) -> Fault | None:
    """Judge the ticks again, as (tick, outcome, reason) in their order; return the first fault."""
    business_date: date | None = None
    for at, (tick, outcome, reason) in enumerate(ticks, 1):
        wanted = judge_tick(tick, business_date)
        if reason != wanted or (outcome == "accepted") != (wanted is None):
            return Fault("-", at, f"the outcome of {tick.command_id}", or_accepted(reason),
                         or_accepted(wanted))  # fmt: skip
        if wanted is None:
            business_date = max(business_date or tick.as_of, tick.as_of)
    return None


def _day_after(day: date) -> date:
    return day + timedelta(days=1)


def _named(terms: Terms) -> dict[str, Any]:
    return {name: getattr(terms, name) for name in FIELDS}


def _shared(terms: Terms) -> Terms:
    """Return the one value for equal terms: bills are priced once for all who share them."""
    if len(SHARED) > SHARED_MAX:
        SHARED.clear()
    return SHARED.setdefault(tuple(getattr(terms, name) for name in FIELDS), terms)


SHARED: dict[Any, Terms] = {}
SHARED_MAX = 20_000
