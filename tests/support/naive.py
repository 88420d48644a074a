"""A deliberately naive model of docs/rules.md, the second opinion on every rule.

It keeps lists, sums whole statements again and again, prices day by day with fractions
and searches everything from the front. It shares only value types with `shared.ledger`
(commands, policies): where it and the rules disagree, one of them misread the page.
"""

import copy
from collections.abc import Callable, Hashable
from datetime import date
from fractions import Fraction
from typing import Any, NamedTuple

from shared.ledger import commands as c
from shared.ledger.policy.policy import NO_POLICY, Policy
from shared.ledger.terms import Cycle
from tests.support.naive_account import (
    Account,
    Bill,
    Cancellation,
    Entry,
    Grant,
    Line,
    Period,
    Row,
)
from tests.support.naive_leave import (
    Refused,
    check_date,
    check_limit,
    check_prices,
    limit_ppm,
    permitted,
)
from tests.support.naive_prices import (
    ONE_DAY,
    anchor_day,
    half_up,
    month_after,
    month_of,
    months_apart,
    vat_on,
)

BILLS_PER_COMMAND_MAX = 36
GAP_DAYS_MAX = 45


class Outcome(NamedTuple):
    """What became of an event: accepted, refused (with a reason), parked or duplicate."""

    kind: str
    reason: str | None = None


ACCEPTED, PARKED = Outcome("accepted"), Outcome("parked")
DUPLICATE = Outcome("duplicate")
CONFLICT = Outcome("refused", "conflicting_duplicate")


class Naive:
    """A whole fleet as one object: apply commands in order, read what came of them."""

    def __init__(self, policy: Policy = NO_POLICY) -> None:
        self.policy = policy
        self.policies = [NO_POLICY, *([policy] if policy.version else [])]
        self.business_date: date | None = None
        self.accounts: dict[str, Account] = {}
        self.outcomes: dict[str, Outcome] = {}
        """The outcome of every command id seen; a parked one's changes when it is applied."""
        self.parked: dict[str, list[Any]] = {}
        self.contents: dict[str, Hashable] = {}

    def apply_policy(self, policy: Policy) -> None:
        """Take a new policy version into force; bills made so far keep theirs."""
        self.policy = policy
        self.policies.append(policy)

    def apply(self, command: Any, content: Hashable = None, sent_on: date | None = None) -> Outcome:
        """Judge one event. `content` decides sameness (by default the command itself); `sent_on` is
        the day of its record's timestamp."""
        content = command if content is None else content
        command_id = command.command_id
        if command_id in self.contents:
            return DUPLICATE if self.contents[command_id] == content else CONFLICT
        self.contents[command_id] = content
        if isinstance(command, c.Ticked):
            outcome = self._tick(command, sent_on)
        elif (withdrawn := self._withdraw(command)) is not None:
            outcome = withdrawn
        else:
            had_period = self._has_period(command.customer_id)
            outcome = self._judge(command)
            if outcome == PARKED:
                self.parked.setdefault(command.customer_id, []).append(command)
            made_customer = isinstance(command, c.SignedUp) and outcome == ACCEPTED
            if made_customer or self._has_period(command.customer_id) != had_period:
                self.outcomes[command_id] = outcome
                self._apply_parked(command.customer_id)
        self.outcomes[command_id] = outcome
        return outcome

    def lines(self, customer_id: str) -> list[Line]:
        account = self.accounts.get(customer_id)
        return list(account.lines) if account else []

    def statement(self, customer_id: str) -> list[Row]:
        account = self.accounts.get(customer_id)
        return account.statement() if account else []

    # -- the order of judgement ------------------------------------------------------------

    def _withdraw(self, command: Any) -> Outcome | None:
        """Take back the parked command that a cancellation names; None where it names none."""
        if not isinstance(command, c.CancellationRequested):
            return None
        for waiting in self.parked.get(command.customer_id, []):
            if waiting.command_id == command.cancels:
                if not permitted(self.policy, command):
                    return Outcome("refused", "not_permitted")
                self.parked[command.customer_id].remove(waiting)
                self.outcomes[waiting.command_id] = Outcome("refused", "withdrawn")
                return ACCEPTED
        return None

    def _judge(self, command: Any) -> Outcome:
        account = self.accounts.get(command.customer_id)
        makes_periods = isinstance(command, c.SignedUp | c.Changed)
        if account is None and not isinstance(command, c.SignedUp):
            return PARKED
        if not permitted(self.policy, command):
            return Outcome("refused", "not_permitted")
        if not makes_periods and not self._has_period(command.customer_id):
            return PARKED
        handlers: dict[type, Callable[[Any, Any], None]] = {
            c.SignedUp: self._sign_up,
            c.Changed: self._change,
            c.PaymentReceived: self._pay,
            c.DiscountGranted: self._discount,
            c.AdjustmentMade: self._adjust,
            c.RefundMade: self._refund,
            c.CancellationRequested: self._cancel,
            c.BillUpToSet: self._bill_up_to,
            c.RebillRequested: self._rebill,
        }
        try:
            handlers[type(command)](account, command)
        except Refused as refused:
            return Outcome("refused", str(refused))
        return ACCEPTED

    def _has_period(self, customer_id: str) -> bool:
        return customer_id in self.accounts and bool(self.accounts[customer_id].periods)

    def _apply_parked(self, customer_id: str) -> None:
        """Apply what can apply, in the order it came; a first period starts the round again."""
        again = True
        while again:
            again = False
            for command in list(self.parked.get(customer_id, [])):
                had_period = self._has_period(customer_id)
                outcome = self._judge(command)
                if outcome == PARKED:
                    continue
                self.parked[customer_id].remove(command)
                self.outcomes[command.command_id] = outcome
                if self._has_period(customer_id) != had_period:
                    again = True
                    break

    # -- billing ---------------------------------------------------------------------------

    def _tick(self, tick: c.Ticked, sent_on: date | None) -> Outcome:
        if month_of(tick.as_of) != tick.period:
            return Outcome("refused", "outside_period")
        known = self.business_date or sent_on
        gap = (tick.as_of - known).days if known else 0
        if gap > GAP_DAYS_MAX and not tick.allow_gap:
            return Outcome("refused", "gap_too_large")
        self.business_date = max(self.business_date or tick.as_of, tick.as_of)
        for customer_id, account in sorted(self.accounts.items()):
            had_period = self._has_period(customer_id)
            self._bill_until(account, tick.as_of, self.business_date)
            if self._has_period(customer_id) != had_period:
                self._apply_parked(customer_id)
        return ACCEPTED

    def _today(self, day: date) -> date:
        return max(self.business_date or day, day)

    def _bill_until(self, account: Account, day: date, made_on: date) -> int:
        """Make every label whose bill day has come, on the day `made_on`; return how many bills
        (not skip rows)."""
        bills = 0
        while account.billed_through() <= day:
            starts = account.billed_through()
            if account.left_for_good_on(starts):
                break
            bills += self._make(account, self._whole_cycle_end(account, starts), made_on)
        return bills

    def _whole_cycle_end(self, account: Account, starts: date) -> date:
        return anchor_day(month_after(month_of(starts)), account.anchor_on(starts))

    def _make(self, account: Account, ends: date, made_on: date) -> bool:
        """Make the next label up to a day; return whether it is a bill."""
        starts = account.billed_through()
        bill = self._priced(account, starts, ends, account.anchor_on(starts))
        period = Period(month_of(starts), starts, ends, bill, made_on, bills=[bill])
        account.periods.append(period)
        kind = "skip" if bill.is_skip else "bill"
        command_id = f"bill/{account.signup.customer_id}/{period.label}"
        account.append(kind, command_id, {period.label}, made_on)
        return not bill.is_skip

    def _priced(self, account: Account, starts: date, ends: date, anchor: int) -> Bill:
        bill = Bill(
            anchor,
            account.discount_ppm.on(starts),
            account.vat_exempt.on(starts),
            self.policy,
        )
        bill.charge, bill.discount, bill.vat, active = account.price(bill, starts, ends)
        bill.is_skip = active == 0
        return bill

    def _sign_up(self, account: Account | None, event: c.SignedUp) -> None:
        check_limit(self.policy, event)
        if account is not None:
            raise Refused("already_signed_up")
        opened = Account(event, self.policies)
        check_prices(self.policy, event)
        self._check_username(event)
        check_date(self.business_date, event.signed_up_on)
        today = self._today(event.signed_up_on)
        if self._bill_until(opened, today, today) > BILLS_PER_COMMAND_MAX:
            raise Refused("too_many_periods")
        self.accounts[event.customer_id] = opened

    def _check_username(self, event: c.SignedUp | c.Changed) -> None:
        for customer_id, account in self.accounts.items():
            if customer_id != event.customer_id and account.username == event.username:
                raise Refused("username_taken")

    def _change(self, account: Account, event: c.Changed) -> None:
        check_limit(self.policy, event)
        if event.effective_on < account.signup.joined_on:
            raise Refused("before_joining")
        check_prices(self.policy, event)
        self._check_username(event)
        check_date(self.business_date, event.changed_on)
        # Work on a copy where the bills could be too many: a refusal undoes them all.
        today = self._today(event.changed_on)
        may_fail = months_apart(month_of(account.billed_through()), month_of(today)) > 30
        work = _copy_of(account) if may_fail else account
        bills = self._bill_until(work, today, today)
        counts_from = self._say(work, event)
        if counts_from:
            self._prorate(work, event, min(counts_from), today)
        if self.business_date:
            bills += self._bill_until(work, self.business_date, today)
        if bills > BILLS_PER_COMMAND_MAX:
            assert may_fail
            raise Refused("too_many_periods")
        self.accounts[event.customer_id] = work

    def _say(self, account: Account, event: c.Changed) -> list[date]:
        """Take the change's word for each field it names; return the days from which those count
        that are charged by the day."""
        days = []
        day, until = event.effective_on, event.until or date.max
        for name in ("package", "extras", "status"):
            value = getattr(event, name)
            if value is None:
                continue
            by_default = name != "status" or value == "active"
            counts_from = day
            if not (by_default if event.prorate is None else event.prorate):
                later = [period.starts for period in account.periods if period.starts >= day]
                counts_from = later[0] if later else max(day, account.billed_through())
            getattr(account, name).say(counts_from, value, until)
            days.append(counts_from)
        if event.status is not None:
            account.shown.say(day, event.status, until)
        both = max(day, event.changed_on)
        for name in ("cycle", "mode", "vip", "discount_ppm", "vat_exempt"):
            if getattr(event, name) is not None:
                getattr(account, name).say(both, getattr(event, name), until)
        for name in ("name", "phone", "language", "texting", "address", "email", "tax_id"):
            if getattr(event, name) is not None:
                getattr(account, name).say(day, getattr(event, name), until)
        account.username = event.username or account.username
        account.grace_until = event.grace_until or account.grace_until
        return days

    def _prorate(self, account: Account, event: c.Changed, day: date, today: date) -> None:
        """Put the new charge on every period that ends after a day, where it differs."""
        own = set()
        for period in account.periods:
            if period.ends > day and not period.is_cancelled():
                priced = account.price(period.bill, period.starts, period.ends)
                if priced[0] != period.bill.charge:
                    self._reprice(period, priced)
                    own.add(period.label)
        account.append("proration", event.command_id, own, today)

    def _reprice(self, period: Period, priced: tuple[int, int, int, int]) -> None:
        """Put new figures on the period's bill; a skip row with an active day becomes a bill."""
        bill = period.bill
        bill.charge, bill.discount, bill.vat, active = priced
        bill.is_skip = bill.is_skip and active == 0

    # -- payments topic --------------------------------------------------------------------

    def _reference_used(self, paid_by: tuple[str, str] | None, shared: bool) -> bool:
        if paid_by is None:
            return False
        holders = [
            entry
            for account in self.accounts.values()
            for _, entry in account.entries("payments")
            if entry.live and entry.paid_by == paid_by
        ]
        return bool(holders) and not (shared and all(entry.shared for entry in holders))

    def _pay(self, account: Account, event: c.PaymentReceived) -> None:
        paid_by = None
        if event.reference is not None and event.reference.strip():
            paid_by = (event.method.strip().casefold(), event.reference.strip().casefold())
        if self._reference_used(paid_by, event.shared):
            raise Refused("reference_already_used")
        period = account.posting_period(event.received_on)
        entry = Entry(event.command_id, event.amount, paid_by=paid_by, shared=event.shared)
        period.payments.append(entry)
        account.append("payment", event.command_id, {period.label}, self._today(event.received_on))

    def _named_period(self, account: Account, label: str | None, day: date) -> Period:
        if label is None:
            return account.posting_period(day)
        period = account.period(label)
        if period is None:
            raise Refused("unknown_period")
        return period

    def _discount(self, account: Account, event: c.DiscountGranted) -> None:
        period = self._named_period(account, event.period, event.granted_on)
        if not period.has_standing_bill():
            raise Refused("no_standing_bill")
        row = period.row(0)
        if event.amount > row.billed:
            raise Refused("exceeds_bill")
        self._check_grant(period, event.actor, event.amount)
        vat = half_up(Fraction(event.amount * row.vat, row.billed))
        period.bill.grants.append(Grant(event.command_id, event.actor, event.amount, vat))
        account.append("discount", event.command_id, {period.label}, self._today(event.granted_on))

    def _check_grant(self, period: Period, actor: str, amount: int) -> None:
        """Refuse a grant that makes the actor's own on a bill more than they may grant."""
        live = period.bill.live_grants()
        before = period.row(0).billed + period.granted()[0]
        own = amount + sum(grant.amount for grant in live if grant.actor == actor)
        limit = limit_ppm(self.policy, actor)
        if limit is not None and Fraction(own) > Fraction(before * limit, 1_000_000):
            raise Refused("over_limit")

    def _adjust(self, account: Account, event: c.AdjustmentMade) -> None:
        period = self._named_period(account, event.period, event.made_on)
        bill = period.bill
        if event.amount < 0 and period.has_standing_bill():
            policy, day, exempt = bill.policy, period.starts, bill.exempt
        else:
            policy, day = self.policy, event.made_on
            exempt = account.vat_exempt.on(day)
        vat = vat_on(event.amount, day, exempt or event.vat_exempt, policy)
        period.adjustments.append(Entry(event.command_id, event.amount, vat))
        account.append("adjustment", event.command_id, {period.label}, self._today(event.made_on))

    def _refund(self, account: Account, event: c.RefundMade) -> None:
        of = None if event.payment_id is None else f"payment/{event.payment_id}"
        if of is not None:
            payment = _find(account, "payments", of)
            if payment is None:
                raise Refused("unknown_target")
            if not payment[1].live:
                raise Refused("already_cancelled")
        self._check_refund(account, event.amount, of)
        period = account.posting_period(event.refunded_on)
        period.refunds.append(Entry(event.command_id, event.amount, of=of))
        account.append("refund", event.command_id, {period.label}, self._today(event.refunded_on))

    def _check_refund(self, account: Account, amount: int, of: str | None) -> None:
        """Refuse a refund for which there is not the money, whether new or restored."""
        payments = [entry for _, entry in account.entries("payments") if entry.live]
        refunds = [entry for _, entry in account.entries("refunds") if entry.live]
        came_in = sum(entry.amount for entry in payments) + max(0, -account.signup.opening_due)
        went_out = sum(entry.amount for entry in refunds)
        if of is not None:
            paid = sum(entry.amount for entry in payments if entry.command_id == of)
            left = paid - sum(entry.amount for entry in refunds if entry.of == of)
            if amount > left or amount > came_in - went_out:
                raise Refused("exceeds_payment")
        elif amount > -account.due() or amount > came_in - went_out:
            raise Refused("exceeds_credit")

    def _cancel(self, account: Account, event: c.CancellationRequested) -> None:
        done = self._undo(account, event) or self._reverse(account, event)
        account.cancellations[event.command_id] = done
        today = self._today(event.requested_on)
        account.append("reversal", event.command_id, {done.period.label}, today, event.cancels)

    def _reverse(self, account: Account, event: c.CancellationRequested) -> Cancellation:
        """Cancel a bill, payment, discount, adjustment or refund."""
        for period in account.periods:
            if event.cancels == f"bill/{account.signup.customer_id}/{period.label}":
                return self._reverse_bill(period)
            for bill in period.bills:
                for grant in bill.grants:
                    if grant.command_id == event.cancels:
                        _kill(grant)
                        return Cancellation(grant, period, "discount")
        for kind in ("payments", "refunds", "adjustments"):
            found = _find(account, kind, event.cancels)
            if found is not None:
                period, entry = found
                refunds = [refund for _, refund in account.entries("refunds") if refund.live]
                if kind == "payments" and entry.live:
                    others = [
                        e for _, e in account.entries("payments") if e.live and e is not entry
                    ]
                    came_in = sum(other.amount for other in others)
                    came_in += max(0, -account.signup.opening_due)
                    went_out = sum(refund.amount for refund in refunds)
                    if went_out > came_in or any(each.of == event.cancels for each in refunds):
                        raise Refused("has_refunds")
                _kill(entry)
                return Cancellation(entry, period, kind)
        raise Refused("unknown_target")

    def _reverse_bill(self, period: Period) -> Cancellation:
        if all(bill.is_skip for bill in period.bills):
            raise Refused("unknown_target")
        if not period.has_standing_bill():
            raise Refused("already_cancelled")
        took = period.bill.live_grants()
        period.bill.stands = False
        for grant in took:
            grant.live = False
        return Cancellation(period.bill, period, "bill", took)

    def _undo(self, account: Account, event: c.CancellationRequested) -> Cancellation | None:
        """Undo a cancellation, restoring what it took as it was; None when it is not one."""
        target = account.cancellations.get(event.cancels)
        if target is None:
            return None
        if target.undone:
            raise Refused("already_cancelled")
        what = target.target
        if isinstance(what, Bill):
            self._restore_bill(account, target, what)
        elif isinstance(what, Grant):
            if not target.period.has_standing_bill() or what not in target.period.bill.grants:
                raise Refused("superseded")
            self._check_grant(target.period, what.actor, what.amount)
            what.live = True
        elif isinstance(what, Entry):
            if self._reference_used(what.paid_by, what.shared):
                raise Refused("reference_already_used")
            if target.kind == "refunds":
                self._check_refund(account, what.amount, what.of)
            what.live = True
        else:
            raise Refused("not_cancellable")
        target.undone = True
        return Cancellation(target, target.period, "undo")

    def _restore_bill(self, account: Account, target: Cancellation, bill: Bill) -> None:
        """Let a cancelled bill stand again, in the place of a skip row that was rebilled, priced
        from what is known now."""
        if target.period.has_standing_bill():
            raise Refused("superseded")
        target.period.bill.stands = False
        bill.stands = True
        target.period.bill = bill
        for grant in target.took:
            grant.live = True
        self._reprice(target.period, account.price(bill, target.period.starts, target.period.ends))

    def _bill_up_to(self, account: Account, event: c.BillUpToSet) -> None:
        present, ends = account.billed_through(), event.up_to + ONE_DAY
        months = months_apart(month_of(present), month_of(ends))
        if ends <= present:
            raise Refused("already_billed")
        starts = present
        for _ in range(max(1, months)):
            if account.left_for_good_on(starts):
                raise Refused("customer_left")
            starts = self._whole_cycle_end(account, starts)
        if months > BILLS_PER_COMMAND_MAX:
            raise Refused("too_many_periods")
        if months == 0:
            self._extend(account, event, ends)
        else:
            today = self._today(event.set_on)
            for _ in range(months - 1):
                starts = account.billed_through()
                self._make(account, self._whole_cycle_end(account, starts), today)
            self._make(account, ends, today)
        cycle = account.cycle.on(ends)
        if cycle.kind == "custom" and anchor_day(month_of(ends), cycle.day) != ends:
            planned = account.cycle.days_after(ends)
            until = planned[0] if planned else date.max
            account.cycle.say(ends, Cycle("custom", ends.day), until)

    def _extend(self, account: Account, event: c.BillUpToSet, ends: date) -> None:
        last = account.periods[-1]
        if last.is_cancelled():
            raise Refused("bill_cancelled")
        day = max(self._today(event.set_on), last.ends)
        last.ends = ends
        self._reprice(last, account.price(last.bill, last.starts, ends))
        account.append("extension", event.command_id, {last.label}, day)

    def _rebill(self, account: Account, event: c.RebillRequested) -> None:
        period = account.period(event.period)
        if period is None or (period.bill.stands and period.bill.is_skip):
            raise Refused("unknown_period")
        if period.has_standing_bill():
            raise Refused("already_billed")
        bill = self._priced(account, period.starts, period.ends, period.bill.anchor)
        period.bills.append(bill)
        period.bill = bill
        kind, today = "skip" if bill.is_skip else "bill", self._today(event.requested_on)
        account.append(kind, event.command_id, {period.label}, today)


def _copy_of(account: Account) -> Account:
    policies = {id(policy): policy for policy in account.policies}
    return copy.deepcopy(account, policies | {id(account.policies): account.policies})


def _kill(what: Grant | Entry) -> None:
    if not what.live:
        raise Refused("already_cancelled")
    what.live = False


def _find(account: Account, kind: str, command_id: str) -> tuple[Period, Entry] | None:
    return next(
        (found for found in account.entries(kind) if found[1].command_id == command_id), None
    )
