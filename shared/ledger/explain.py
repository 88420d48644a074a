"""Why a period has its amounts: each of its lines with its command and its price, oldest first.

The lines do not hold the terms; these are found again by replaying the customer's signup and
changes. They are accepted as the explanation only where they give the charge of the line.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from shared.ledger.account import Account, Head
from shared.ledger.charge import Piece, charge, pieces
from shared.ledger.commands import Changed, Command, SignedUp
from shared.ledger.handlers.customers import open_account, take_terms
from shared.ledger.line import Line
from shared.ledger.policy.policy import NO_POLICY, Policy
from shared.ledger.terms import Terms

PRICED = ("bill", "skip", "extension", "proration")


class TaxPart(NamedTuple):
    """One component of VAT: `amount` is `rate_ppm` of `base` (minor units)."""

    code: str
    rate_ppm: int
    base: int
    amount: int


class Pricing(NamedTuple):
    """How a recurring charge is computed. `agrees` is true where `pieces`, added up and rounded
    once, give the line's charge: then the terms found are those it was priced with."""

    pieces: Sequence[Piece]
    charge: int
    discount_ppm: int
    discount: int
    vat_exempt: bool
    taxes: Sequence[TaxPart]
    policy_version: int
    agrees: bool


class Step(NamedTuple):
    """One line of the period: the line before it (None for the first), its command, and its
    pricing where it was priced. `taxes` are those of an adjustment."""

    line: Line
    before: Line | None
    command: Command | None
    pricing: Pricing | None
    taxes: Sequence[TaxPart] = ()


class Accepted(NamedTuple):
    """A command that took effect, and when that was written."""

    command: Command
    recorded_at: datetime


def explain(
    lines: Iterable[Line],
    accepted: Sequence[Accepted],
    policies: Mapping[int, Policy],
    period: str,
) -> list[Step]:
    """Return the steps of a period, oldest first.

    `lines` are all lines of the customer in the order of seq; `accepted` are their accepted
    commands, the signup included, in the order in which they took effect.
    """
    everything = list(lines)
    known = _terms_known(everything, accepted)
    commands = {each.command.command_id: each.command for each in accepted}
    numbers = {each.command.command_id: at for at, each in enumerate(accepted)}
    steps: list[Step] = []
    before: Line | None = None
    for line in everything:
        if line.period == period:
            command = commands.get(line.command_id)
            pricing: Pricing | None = None
            taxes: tuple[TaxPart, ...] = ()
            if line.kind in PRICED:
                pricing = _pricing(line, numbers.get(line.command_id), known, policies)
            elif line.kind == "adjustment" and before is not None:
                taxes = _adjustment_taxes(line, before, policies)
            steps.append(Step(line, before, command, pricing, taxes))
            before = line
    return steps


class _Known(NamedTuple):
    """The terms after an accepted signup or change, which is number `at` of all that is accepted.
    `changed_on` is None for the signup."""

    at: int
    recorded_at: datetime
    changed_on: date | None
    terms: Terms


def _terms_known(lines: Sequence[Line], accepted: Sequence[Accepted]) -> list[_Known]:
    """Replay signup and changes; return every version of the terms, oldest first."""
    known: list[_Known] = []
    account: Account | None = None
    for at, (command, recorded_at) in enumerate(accepted):
        if isinstance(command, SignedUp):
            account = open_account(command)
        elif isinstance(command, Changed) and account is not None:
            billed = [line for line in lines if line.recorded_at <= recorded_at]
            if billed:
                last = max(billed, key=lambda line: (line.period, line.revision))
                account.closed = Head(last.period, last.due, last.coverage_to)
            take_terms(account, command)
        else:
            continue
        changed_on = command.changed_on if isinstance(command, Changed) else None
        known.append(_Known(at, recorded_at, changed_on, account.terms))
    return known


def _pricing(
    line: Line, number: int | None, known: Sequence[_Known], policies: Mapping[int, Policy]
) -> Pricing | None:
    """Price the line's coverage under the terms known when it was written: of those that are
    possible, the likeliest that give the line's charge. `number` is that of the line's command."""
    possible = _possible(line, number, known)
    if not possible:
        return None
    agreed = [terms for terms in possible if _charge(terms, line) == line.recurring_charge]
    terms = agreed[0] if agreed else possible[0]
    policy = policies.get(line.bill_policy_version, NO_POLICY)
    net = line.recurring_charge - line.recurring_discount
    return Pricing(
        list(pieces(terms, line.coverage_from, line.coverage_to, line.anchor_day)),
        line.recurring_charge,
        line.discount_ppm,
        line.recurring_discount,
        line.vat_exempt,
        () if line.vat_exempt else _taxes(policy, net, line.coverage_from),
        line.bill_policy_version,
        bool(agreed),
    )


def _possible(line: Line, number: int | None, known: Sequence[_Known]) -> list[Terms]:
    """Return the terms that a line may have been priced with, the likeliest first.

    The line of a command was priced with the terms up to that command; a bill that no command of
    its own made, with those written before it. All commands of a batch are written at one instant;
    of these, a change made on or after the bill day came later: what is due is billed first.
    """
    if number is not None:
        return [each.terms for each in reversed(known) if each.at <= number]
    written = [each for each in known if each.recorded_at <= line.recorded_at]
    later = next((at for at, each in enumerate(written) if _bills_first(each, line)), len(written))
    return [each.terms for each in (*reversed(written[:later]), *written[later:])]


def _bills_first(change: _Known, line: Line) -> bool:
    """Whether a bill that was written with a change was made under the terms before it."""
    return (
        change.recorded_at == line.recorded_at
        and change.changed_on is not None
        and change.changed_on >= line.coverage_from
    )


def _charge(terms: Terms, line: Line) -> int:
    return charge(terms, line.coverage_from, line.coverage_to, line.anchor_day)[0]


def _adjustment_taxes(
    line: Line, before: Line, policies: Mapping[int, Policy]
) -> tuple[TaxPart, ...]:
    if line.vat_exempt:
        return ()
    policy = policies.get(line.policy_version, NO_POLICY)
    return _taxes(policy, line.adjusted_charge - before.adjusted_charge, line.effective_on)


def _taxes(policy: Policy, net: int, day: date) -> tuple[TaxPart, ...]:
    return tuple(
        TaxPart(tax.code, tax.rate_ppm, base, amount)
        for tax, base, amount in policy.tax_parts(net, day)
    )
