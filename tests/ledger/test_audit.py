"""The audit: silent on every honest history, and loud about any line that was tampered with."""

import random
from datetime import date, timedelta
from typing import Any

import pytest

from shared.ledger.account import Account
from shared.ledger.commands import (
    AdjustmentMade,
    BillUpToSet,
    CancellationRequested,
    Changed,
    DiscountGranted,
    PaymentReceived,
    RebillRequested,
    RefundMade,
    SignedUp,
)
from shared.ledger.errors import Refused
from shared.ledger.handlers import HANDLERS, bills, corrections, customers, money
from shared.ledger.line import Line
from shared.ledger.terms import always
from shared.ledger.world import World
from tests.ledger.test_histories import REASONS
from tests.support.audited import Recorded, rehashed
from tests.support.far import far
from tests.support.histories import history
from tests.support.playing import play_in_batches

SEEDS = range(1, 61)


@pytest.fixture(scope="module")
def played() -> dict[int, Recorded]:
    return {seed: Recorded().play(history(seed).steps) for seed in SEEDS}


def test_an_honest_history_has_no_fault(played: dict[int, Recorded]) -> None:
    for seed, rules in played.items():
        for customer_id in rules.asked:
            assert rules.fault(customer_id) is None, f"seed {seed}"


@pytest.mark.parametrize("seed", range(200, 260))
def test_an_honest_history_told_in_batches_has_no_fault(seed: int) -> None:
    """Several commands in one transaction: which terms a bill knew is found all the same."""
    rules = Recorded()
    play_in_batches(rules, history(seed, 60).steps, random.Random(seed))

    for customer_id in rules.asked:
        assert rules.fault(customer_id) is None


NOTED = ("discount_ppm", "adjusted_charge", "granted_vat", "effective_on", "reason")
"""What a line says of its command and its bill: commands and terms say it too."""
PLAIN = ("charge", "discount", "vat", "paid", "due", "previous_due", "seq", "revision")


def changed(line: Line, name: str) -> Line:
    value: Any = getattr(line, name)
    if isinstance(value, date):
        value += timedelta(days=1)
    elif name in ("actor", "reason"):
        value = f"{value} x"
    else:
        value += 1
    return line._replace(**{name: value})


@pytest.mark.parametrize(
    ("name", "forged"),
    [(name, forged) for name in (*PLAIN, *NOTED, "actor") for forged in (False, True)],
)
def test_a_line_that_was_changed_is_found(
    name: str, forged: bool, played: dict[int, Recorded]
) -> None:
    """Amounts and places are found even where the forger makes all later hashes fit."""
    for seed, rules in played.items():
        for customer_id, lines in rules.stored.items():
            at = random.Random(seed).randrange(len(lines))
            tampered = [*lines[:at], changed(lines[at], name), *lines[at + 1 :]]

            fault = rules.fault(customer_id, rehashed(tampered) if forged else tampered)

            assert fault is not None, f"seed {seed}, line {at + 1}"


def test_a_line_that_was_not_written_with_its_command_is_found(played: dict[int, Recorded]) -> None:
    """An instant, with every hash made to fit: that of a command's line, and of a restatement."""
    kinds = set()
    for seed, rules in played.items():
        for customer_id, lines in rules.stored.items():
            at = random.Random(seed).randrange(len(lines))
            line = lines[at]
            if line.revision > 0:
                later = line._replace(recorded_at=line.recorded_at + timedelta(microseconds=1))
                tampered = [*lines[:at], later, *lines[at + 1 :]]

                fault = rules.fault(customer_id, rehashed(tampered))

                assert fault is not None, f"seed {seed}, line {at + 1}"
                kinds.add(line.kind)
    assert {"payment", "restatement"} <= kinds


def test_a_line_taken_out_of_the_middle_is_found(played: dict[int, Recorded]) -> None:
    for seed, rules in played.items():
        for customer_id, lines in rules.stored.items():
            if len(lines) > 1:
                at = random.Random(seed).randrange(len(lines) - 1)

                fault = rules.fault(customer_id, [*lines[:at], *lines[at + 1 :]])

                assert fault is not None, f"seed {seed}"
                assert fault.what == "seq"


def test_a_cascade_that_stops_halfway_is_found(played: dict[int, Recorded]) -> None:
    """The last restatement dropped: every line left is right, and the statement is not."""
    tried = 0
    for seed, rules in played.items():
        for customer_id, lines in rules.stored.items():
            if lines[-1].kind == "restatement":
                tried += 1
                assert rules.fault(customer_id, lines[:-1]) is not None, f"seed {seed}"
    assert tried > 0


def test_a_command_whose_outcome_was_changed_is_found(played: dict[int, Recorded]) -> None:
    """Refused now accepted: its line is missing. Accepted now refused: its line is there."""
    tried = 0
    for seed, rules in played.items():
        for customer_id, asked in rules.asked.items():
            for at, each in enumerate(asked):
                if isinstance(each.command, PaymentReceived | DiscountGranted):
                    other = "refused" if each.outcome == "accepted" else "accepted"
                    changed = [*asked[:at], each._replace(outcome=other), *asked[at + 1 :]]

                    assert rules.fault(customer_id, asked=changed) is not None, f"seed {seed}"
                    tried += 1
    assert tried > 100


def test_a_command_whose_content_was_changed_is_found(played: dict[int, Recorded]) -> None:
    for seed, rules in played.items():
        for customer_id, asked in rules.asked.items():
            for at, each in enumerate(asked):
                if isinstance(each.command, PaymentReceived) and each.outcome == "accepted":
                    more = each.command._replace(amount=each.command.amount + 1)
                    changed = [*asked[:at], each._replace(command=more), *asked[at + 1 :]]

                    fault = rules.fault(customer_id, asked=changed)

                    assert fault is not None, f"seed {seed}"
                    assert fault.what == "paid"


def test_a_price_that_was_changed_in_the_signup_is_found(played: dict[int, Recorded]) -> None:
    for seed, rules in played.items():
        for customer_id, asked in rules.asked.items():
            changed = list(asked)
            for at, each in enumerate(asked):
                if isinstance(each.command, SignedUp):
                    package = each.command.package
                    package = package._replace(price=(package.price or 0) + 100_031)
                    command = each.command._replace(package=package)
                    changed[at] = each._replace(command=command)
            if rules.lines(customer_id):
                assert rules.fault(customer_id, asked=changed) is not None, f"seed {seed}"


def test_a_bill_that_was_taken_off_the_end_is_found(played: dict[int, Recorded]) -> None:
    """No command asked for it; the run that is done must have made it."""
    tried = 0
    for seed, rules in played.items():
        for customer_id, lines in rules.stored.items():
            last, day = lines[-1], rules.business_date
            if last.kind == "bill" and day is not None and last.coverage_from <= day:
                tried += 1
                assert rules.fault(customer_id, lines[:-1]) is not None, f"seed {seed}"
    assert tried > 0


# Outcomes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(300, 330))
def test_an_honest_history_far_from_the_books_has_no_fault(seed: int) -> None:
    rules = Recorded().play(far(seed, 50).history.steps)

    for customer_id in rules.asked:
        assert rules.fault(customer_id) is None


REFUSALS = sorted({
    (command.__name__, reason)
    for command, reasons in REASONS.items()
    if issubclass(command, tuple) and command.__name__ != "Ticked"
    for reason in reasons
})  # fmt: skip


@pytest.fixture(scope="module")
def refused() -> dict[tuple[str, str], list[tuple[Recorded, str, int]]]:
    """Refusals of many histories by (command, reason): the rules, the customer, the place."""
    found: dict[tuple[str, str], list[tuple[Recorded, str, int]]] = {}
    for seed in range(1, 250):
        rules = Recorded().play(history(seed, 40).steps)
        for customer_id, asked in rules.asked.items():
            for at, each in enumerate(asked):
                if each.reason is not None:
                    kind = type(each.command).__name__
                    found.setdefault((kind, each.reason), []).append((rules, customer_id, at))
    return found


@pytest.mark.parametrize(("command", "reason"), REFUSALS, ids=["-".join(each) for each in REFUSALS])
def test_a_reason_that_was_changed_is_found_and_the_right_one_named(
    command: str, reason: str, refused: dict[tuple[str, str], list[tuple[Recorded, str, int]]]
) -> None:
    others = sorted(
        {other for _, other in REFUSALS} - {reason, "reference_already_used", "username_taken"}
    )
    for number, (rules, customer_id, at) in enumerate(refused[command, reason][:20]):
        asked = rules.asked[customer_id]
        other = others[number % len(others)]
        changed = [*asked[:at], asked[at]._replace(reason=other), *asked[at + 1 :]]

        fault = rules.fault(customer_id, asked=changed)

        assert fault is not None, other
        assert fault.what == f"the outcome of {asked[at].command.command_id}"
        assert fault.found == f"refused: {other}"
        if reason not in ("reference_already_used", "username_taken"):
            # Of a cancellation it is not known whether what it names waited, so it may have too.
            may_wait = (command, reason) == ("CancellationRequested", "not_permitted")
            wanted = {f"refused: {reason}", *(["parked"] if may_wait else [])}
            assert fault.expected in wanted


def wrongly(account: Account, event: Any, world: World) -> None:
    raise Refused("over_limit")


@pytest.mark.parametrize(
    "command",
    [
        SignedUp, Changed, PaymentReceived, DiscountGranted, AdjustmentMade, RefundMade,
        CancellationRequested, BillUpToSet, RebillRequested,
    ],
)  # fmt: skip
def test_a_command_that_was_refused_wrongly_is_named(
    command: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HANDLERS, command, wrongly)

    assert _named("refused: over_limit, expected accepted", _faults())


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ("live_discounts", lambda account, index: []),
        ("refunded", lambda account, payment: 0),
        ("check_credit", lambda account, amount: None),
        ("_check_refund_fits", lambda account, refund: None),
        ("_counts", lambda discount, line: True),
    ],
)
def test_a_command_that_was_accepted_wrongly_is_named(
    rule: str, broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for section in (bills, corrections, customers, money):
        if hasattr(section, rule):
            monkeypatch.setattr(section, rule, broken)

    assert _named("is accepted, expected refused: ", _faults())


def test_permissions_that_nobody_asked_for_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.ledger.decide._check_permission", lambda command, world: None)

    assert _named("is accepted, expected refused: not_permitted", _faults())


_take_terms, _move_anchor, _open_account = (
    customers.take_terms, bills.move_anchor, customers.open_account,
)  # fmt: skip


def _counts_before_it_was_told(account: Account, event: Changed) -> date | None:
    return _take_terms(account, event._replace(changed_on=event.effective_on))


def _reaches_into_what_is_billed(account: Account, event: Changed) -> date | None:
    charged_from = _take_terms(account, event._replace(prorate=True))
    return charged_from if event.prorate is True else None


def _forgets_the_name(account: Account, event: Changed) -> date | None:
    return _take_terms(account, event._replace(phone=None))


def _moves_every_anchor(account: Account, ends: date) -> None:
    _move_anchor(account, ends)
    if account.terms.cycle[-1][1].kind != "custom":
        moved = account.terms.cycle[-1][1]._replace(day=ends.day)
        account.terms = account.terms.changed(cycle=always(moved))


def _opens_as_vip(event: SignedUp) -> Account:
    return _open_account(event._replace(vip=True))


@pytest.mark.parametrize(
    ("where", "mutation"),
    [
        ("handlers.customers.take_terms", _counts_before_it_was_told),
        ("handlers.customers.take_terms", _reaches_into_what_is_billed),
        ("handlers.customers.take_terms", _forgets_the_name),
        ("handlers.bills.move_anchor", lambda account, ends: None),
        ("handlers.bills.move_anchor", _moves_every_anchor),
        ("decide.open_account", _opens_as_vip),
    ],
)
def test_a_mutation_of_what_the_handlers_do_to_terms_is_found(
    where: str, mutation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"shared.ledger.{where}", mutation)

    assert _faults()


def _faults() -> list[str]:
    """What the audit says of histories under rules that a test has broken."""
    found = []
    for seed in range(1, 41):
        for told in (history(seed, 40), far(seed).history):
            rules = Recorded().play(told.steps)
            faults = map(rules.fault, rules.asked)
            found += [str(fault) for fault in faults if fault is not None]
    return found


def _named(words: str, faults: list[str]) -> bool:
    return any(words in fault and "the outcome of " in fault for fault in faults)
