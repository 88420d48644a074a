"""The promises of docs/rules.md, each a function that asserts it of one history played.

`broken_by` tries them all on the histories of some seeds; tests/ledger/test_properties.py
names them as tests.
"""

import itertools
import random
import traceback
from collections.abc import Callable, Iterable
from datetime import timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from shared.ledger import commands as c
from shared.ledger.account import Account
from shared.ledger.charge import reprice
from shared.ledger.line import GENESIS, Line, chained
from shared.ledger.period import label_of, months_between
from shared.ledger.policy.policy import PERMISSIONS, Policy, Staff
from shared.ledger.terms import encode
from tests.support import naive_views
from tests.support.histories import STARTS
from tests.support.naive_account import Line as NaiveLine
from tests.support.playing import (
    TWIN,
    Played,
    books,
    line_of_the_twin,
    modes_swapped,
    names_parted,
    play,
    play_in_batches,
    played,
    shuffled,
    twinned,
    without,
)
from tests.support.rules import Rules, StoredRules

UNDONE_MAX = 4


class Broken(NamedTuple):
    """A promise that a history broke, and how."""

    promise: str
    seed: int
    how: str


def broken_by(seeds: Iterable[int]) -> list[Broken]:
    """Play the histories of these seeds and return every promise that one of them breaks."""
    found = []
    for seed in seeds:
        try:
            history = played(seed)
        except Exception:
            found += [Broken(promise, seed, traceback.format_exc()) for promise in PROMISES]
            continue
        for name, promise in PROMISES.items():
            try:
                promise(history)
            except Exception:
                found.append(Broken(name, seed, traceback.format_exc()))
    return found


# The second opinion -------------------------------------------------------------------------


def outcomes_and_reasons_are_those_of_the_naive_model(history: Played) -> None:
    assert history.outcomes == history.told.outcomes
    assert history.rules.outcomes == history.told.model.outcomes


def every_line_is_that_of_the_naive_model(history: Played) -> None:
    for customer_id in history.customers():
        lines = history.rules.lines(customer_id)
        expected = history.told.model.lines(customer_id)
        assert [as_naive(line) for line in lines] == expected


def statements_and_reports_are_those_of_the_naive_model(history: Played) -> None:
    model, rules = history.told.model, history.rules
    for customer_id, account in model.accounts.items():
        assert rules.statement(customer_id) == model.statement(customer_id)
        assert rules.customer(customer_id) == naive_views.customer(model, customer_id)
        for mode in (None, "monthly", "cumulative"):
            expected = naive_views.invoices(model, customer_id, mode)
            assert rules.invoices(customer_id, mode) == expected
        until = account.billed_through() + timedelta(days=70)
        expected_states = naive_views.day_states(model, customer_id, until)
        assert rules.day_states(customer_id, until) == expected_states


# The chain ----------------------------------------------------------------------------------


def due_rolls_forward_from_line_to_line(history: Played) -> None:
    for account, lines in _accounts(history.rules):
        heads: dict[str, Line] = {}
        for seq, line in enumerate(lines, start=1):
            assert line.seq == seq
            assert line.billed == line.charge - line.discount + line.vat
            assert line.due == line.previous_due + line.billed - line.paid
            assert line.revision == (heads[line.period].revision + 1 if line.period in heads else 0)
            earlier = [heads[label].due for label in heads if label < line.period]
            assert line.previous_due == (earlier[-1] if earlier else account.opening_due)
            heads[line.period] = line
        due = account.opening_due
        for line in heads.values():
            assert line.previous_due == due
            due = line.due


def the_hash_chain_verifies(history: Played) -> None:
    for _, lines in _accounts(history.rules):
        before, written_at = GENESIS, None
        for line in lines:
            assert line.hash == chained(line, before)
            assert written_at is None or line.recorded_at >= written_at
            before, written_at = line.hash, line.recorded_at


def coverage_tiles_and_labels_are_the_months_of_first_days(history: Played) -> None:
    for account, _ in _accounts(history.rules):
        starts = account.bill_from
        for line in account.periods:
            assert line.coverage_from == starts < line.coverage_to
            assert line.period == label_of(line.coverage_from)
            assert months_between(line.period, label_of(line.coverage_to)) == 1
            starts = line.coverage_to


def a_month_has_one_bill_at_most(history: Played) -> None:
    for account, lines in _accounts(history.rules):
        labels = [line.period for line in account.periods]
        assert len(labels) == len(set(labels))
        for label in labels:
            standing = False
            for line in (line for line in lines if line.period == label):
                assert not (line.kind == "bill" and standing), "a bill stood there already"
                standing = line.standing


def no_month_is_skipped(history: Played) -> None:
    day = history.rules.business_date
    for account, _ in _accounts(history.rules):
        if day is not None and account.billed_through <= day:
            assert account.terms.left_for_good_on(account.billed_through)
    again = play(history.steps)
    if day is not None:
        again.apply(c.Ticked("tick/again", "again", label_of(day), day, "sweep", True))
    assert books(again) == books(history.rules)


# Corrections --------------------------------------------------------------------------------


def the_cascade_is_complete_and_conservative(history: Played) -> None:
    """A command's lines go upwards; each later due moves by what was changed below it."""
    for _, lines in _accounts(history.rules):
        heads: dict[str, Line] = {}
        for _, group in itertools.groupby(lines, key=_posted_together):
            together = list(group)
            touched = {line.period: line for line in together}
            assert list(touched) == sorted(touched)
            assert len(touched) == len(together)
            assert together[0].kind != "restatement"
            moved = 0
            for label in sorted(heads.keys() | touched):
                old, new = heads.get(label), touched.get(label)
                if new is None:
                    assert moved == 0, "a later due moved, and no line says so"
                    continue
                if old is not None:
                    own = (new.billed - new.paid) - (old.billed - old.paid)
                    assert new.previous_due - old.previous_due == moved
                    assert new.kind != "restatement" or (own == 0 and moved != 0)
                    moved += own
                    assert new.due - old.due == moved
                heads[label] = new


def due_is_bills_less_live_money(history: Played) -> None:
    """The last due, summed from commands: opening + standing bills + live adjustments − live
    granted discounts − live payments + live refunds."""
    commands = {each.command_id: each for each in _commands(history)}
    for account, lines in _accounts(history.rules):
        reversed_by = {line.reverses: line.command_id for line in lines if line.reverses}
        due = account.opening_due
        for line in account.periods:
            assert line.standing or line.recurring_charge == line.recurring_vat == 0
            due += line.recurring_charge - line.recurring_discount + line.recurring_vat
            due -= line.granted_discount + line.granted_vat
        granted = _live_grants(lines)
        before: dict[str, Line] = {}
        for line in lines:
            command, was = commands.get(line.command_id), before.get(line.period)
            before[line.period] = line
            if _is_reversed(line.command_id, lines, reversed_by):
                continue
            if line.kind == "adjustment":
                assert isinstance(command, c.AdjustmentMade)
                assert was is not None
                due += command.amount + line.adjusted_vat - was.adjusted_vat
            elif line.kind == "payment":
                due -= command.amount  # type: ignore[union-attr]
            elif line.kind == "refund":
                due += command.amount  # type: ignore[union-attr]
        assert account.due == due
        for label, head in before.items():
            given = (line for line in lines if line.kind == "discount" and line.period == label)
            gifts = {line.command_id for line in given} & granted
            full = sum(commands[gift].amount for gift in gifts)
            whole = head.billed + head.granted_discount + head.granted_vat
            assert head.gifts == full
            assert head.billed == whole - min(full, max(0, whole))


def undo_restores_to_the_last_digit(history: Played) -> None:
    """Cancel what can be cancelled and undo it: the statement and the terms are as before."""
    chosen = random.Random(history.seed)
    rules, boss = play(history.steps), "boss"
    rules.apply_policy(_all_may(boss, rules.policy))
    day = rules.business_date or STARTS
    for customer_id in list(history.customers()):
        targets = sorted({_target(line) for line in rules.lines(customer_id)})
        for n, target in enumerate(chosen.sample(targets, min(UNDONE_MAX, len(targets)))):
            if not _priced_as_known_now(rules, customer_id, target):
                continue
            before, held = rules.statement(customer_id), _held(rules)
            first, undo = (f"cancellation/{customer_id}.{n}.{k}" for k in (1, 2))
            done = rules.apply(
                c.CancellationRequested(first, customer_id, target, day, boss, "mistake")
            )
            if done.kind == "refused":
                assert rules.statement(customer_id) == before
                continue
            again = c.CancellationRequested(undo, customer_id, first, day, boss, "no mistake")
            undone = rules.apply(again)
            if undone.reason == "exceeds_credit":  # a refund of credit that is used up since
                assert target.startswith("refund/")
                continue
            assert undone.kind == "accepted"
            assert rules.statement(customer_id) == before
            assert _held(rules) == held


def _priced_as_known_now(rules: Rules, customer_id: str, target: str) -> bool:
    """Whether a bill, if the target is one, would get the same price again. A price list that came
    later may have a code that the bill's own version lacks, and an undo prices anew."""
    account = rules.accounts[customer_id]
    for line in account.periods:
        if target == f"bill/{customer_id}/{line.period}":
            policy = rules.policies[line.bill_policy_version]
            return reprice(account.terms, line, policy).charge == line.recurring_charge
    return True


def _held(rules: Rules) -> dict[Any, Any]:
    return {key: ({*held.payments}, held.shared) for key, held in rules.references.items()}


# What changes nothing -----------------------------------------------------------------------


def a_mode_changes_no_amount(history: Played) -> None:
    assert books(play(modes_swapped(history.steps))) == books(history.rules)


def refused_and_repeated_commands_change_nothing(history: Played) -> None:
    left = without(history.steps, history.outcomes, history.rules.outcomes)
    rules = play(left)
    assert books(rules) == books(history.rules)
    assert _terms(rules) == _terms(history.rules)


def the_order_between_customers_and_repeats_change_nothing(history: Played) -> None:
    steps = names_parted(history.steps)
    ordered = play(steps)
    rules = play(shuffled(steps, random.Random(history.seed)))
    assert books(rules) == books(ordered)
    assert _terms(rules) == _terms(ordered)
    assert rules.outcomes == ordered.outcomes


def twins_get_the_same_lines_and_each_their_own_hash(history: Played) -> None:
    """Bills of customers on the same terms share one form: it is the bill of each of them."""
    rules = StoredRules()
    play_in_batches(rules, twinned(history.steps), random.Random(history.seed))
    made = books(rules)
    for customer_id in history.customers():
        theirs = [line_of_the_twin(line) for line in made.get(customer_id, [])]
        assert made.get(customer_id + TWIN, []) == theirs
    the_hash_chain_verifies(history._replace(rules=rules))


PROMISES: dict[str, Callable[[Played], None]] = {
    promise.__name__: promise
    for promise in (
        outcomes_and_reasons_are_those_of_the_naive_model,
        every_line_is_that_of_the_naive_model,
        statements_and_reports_are_those_of_the_naive_model,
        due_rolls_forward_from_line_to_line,
        the_hash_chain_verifies,
        coverage_tiles_and_labels_are_the_months_of_first_days,
        a_month_has_one_bill_at_most,
        no_month_is_skipped,
        the_cascade_is_complete_and_conservative,
        due_is_bills_less_live_money,
        undo_restores_to_the_last_digit,
        a_mode_changes_no_amount,
        refused_and_repeated_commands_change_nothing,
        the_order_between_customers_and_repeats_change_nothing,
        twins_get_the_same_lines_and_each_their_own_hash,
    )
}


# Reading ------------------------------------------------------------------------------------


def _accounts(rules: Rules) -> Iterable[tuple[Account, list[Line]]]:
    for customer_id, account in rules.accounts.items():
        yield account, rules.lines(customer_id)


def as_naive(line: Line) -> NaiveLine:
    """Return what the naive model has of a line."""
    return NaiveLine(*(getattr(line, name) for name in NaiveLine._fields))


def _posted_together(line: Line) -> tuple[Any, ...]:
    """Bills made one after another are commands of their own; all else goes by command."""
    return (line.command_id, line.kind in ("bill", "skip") and line.revision == 0)


def _commands(history: Played) -> list[Any]:
    """Return the first command of each id: the one that counted."""
    first: dict[str, Any] = {}
    for step in history.steps:
        if hasattr(step, "command_id"):
            first.setdefault(step.command_id, step)
    return list(first.values())


def _is_reversed(command_id: str, lines: list[Line], reversed_by: dict[Any, str]) -> bool:
    """Whether a command's last cancellation was not undone."""
    last = [line.command_id for line in lines if line.reverses == command_id]
    return bool(last) and last[-1] not in reversed_by


def _live_grants(lines: list[Line]) -> set[str]:
    """Return the granted discounts that count, going through the lines in order: a bill's
    cancellation takes along those alive on it, its undo gives the same ones back."""
    alive: set[str] = set()
    period_of: dict[str, str] = {}
    took: dict[str, set[str]] = {}
    for line in lines:
        if line.kind == "discount":
            alive.add(line.command_id)
            period_of[line.command_id] = line.period
        elif line.kind == "reversal" and line.reverses is not None:
            target = line.reverses
            if target.startswith("bill/"):
                gone = {each for each in alive if period_of[each] == line.period}
            elif target.startswith("cancellation/"):
                alive |= took.get(target, set())
                continue
            else:
                gone = {target} & alive
            took[line.command_id] = gone
            alive -= gone
    return alive


def _target(line: Line) -> str:
    if line.kind in ("payment", "refund", "discount", "adjustment"):
        return line.command_id
    return f"bill/{line.customer_id}/{line.period}"


def _all_may(actor: str, policy: Policy) -> Policy:
    staff = MappingProxyType({actor: Staff(PERMISSIONS)})
    return Policy(policy.version + 1, policy.taxes, staff, policy.grace_days, policy.prices)


def _terms(rules: Rules) -> dict[str, Any]:
    return {
        customer_id: (encode(account.terms), account.contact)
        for customer_id, account in rules.accounts.items()
    }
