"""Why a period has its amounts: each of its lines with its command and its price, oldest first.

The lines do not hold the terms; these are found again by replaying the customer's signup and
changes. They are accepted as the explanation only where they give the charge of the line.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import islice, takewhile
from typing import NamedTuple

from shared.ledger.account import Account
from shared.ledger.charge import Piece, charge, pieces
from shared.ledger.commands import Changed, Command, SignedUp
from shared.ledger.handlers.customers import open_account, take_terms
from shared.ledger.line import Line
from shared.ledger.policy.policy import NO_POLICY, Policy, read_together
from shared.ledger.policy.prices import PriceList, Unpriced
from shared.ledger.taxes import Parts, TaxPart, adjustment_parts, recurring_parts
from shared.ledger.terms import Terms, Timeline, value_on

PRICED = ("bill", "skip", "extension", "proration")


class Sold(NamedTuple):
    """A package or an extra: its price for a cycle (minor units), and whether it is the customer's
    own, not the price list's."""

    code: str
    price: int
    quantity: int
    own: bool


class Priced(NamedTuple):
    """Days that cost the same each, and what was sold on them."""

    piece: Piece
    sold: Sequence[Sold]


class Pricing(NamedTuple):
    """How a recurring charge is computed. `agrees` is true where `pieces`, added up and rounded
    once, give the line's charge: then the terms found are those it was priced with."""

    pieces: Sequence[Priced]
    charge: int
    discount_ppm: int
    discount: int
    vat_exempt: bool
    taxes: Sequence[TaxPart]
    policy_version: int
    agrees: bool


class Step(NamedTuple):
    """One line of the period: the line before it (None for the first), its command, and its
    pricing where it was priced. `taxes` are those of an adjustment. `made_with`: the id of the
    signup or change that a bill without a command of its own was made with; None: a run's."""

    line: Line
    before: Line | None
    command: Command | None
    pricing: Pricing | None
    taxes: Sequence[TaxPart] = ()
    made_with: str | None = None


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
    policies = defaultdict(lambda: NO_POLICY, policies)  # a line changed by hand is explained too
    known = _terms_known(everything, accepted)
    commands = {each.command.command_id: each.command for each in accepted}
    numbers = {each.command.command_id: at for at, each in enumerate(accepted)}
    steps: list[Step] = []
    before: Line | None = None
    for line in everything:
        if line.period == period:
            command = commands.get(line.command_id)
            pricing: Pricing | None = None
            taxes: Parts = ()
            if line.kind in PRICED or _comes_back(line, before):
                pricing = _pricing(line, numbers.get(line.command_id), known, policies)
            elif line.kind == "adjustment" and before is not None:
                taxes = adjustment_parts(line, before, policies)
            steps.append(Step(line, before, command, pricing, taxes, _made_with(line, accepted)))
            before = line
    return steps


def _made_with(line: Line, accepted: Sequence[Accepted]) -> str | None:
    """Return the signup or change whose batch wrote a bill: of several the first that was made on
    or after the bill day. A run writes its bills in a transaction of its own."""
    if not line.command_id.startswith("bill/"):
        return None
    found = {
        command.command_id: command.signed_up_on
        if isinstance(command, SignedUp)
        else command.changed_on
        for command, recorded_at in accepted
        if recorded_at == line.recorded_at and isinstance(command, SignedUp | Changed)
    }
    due = (name for name, day in found.items() if day >= line.coverage_from)
    return next(due, next(iter(found), None))


def lines_before(
    lines: Sequence[Line], accepted: Sequence[Accepted], number: int, status: Timeline[str]
) -> Sequence[Line]:
    """Return the lines that were there when the terms of accepted[number] took effect; `status` is
    the customer's before that.

    Commands of one batch, and their lines, are written at one instant. Of these the lines count
    that come before those of the command itself and of later ones. What is due is billed before a
    change takes effect, so bills count too, but those of days on all of which the customer had
    left: only a return makes them.
    """
    at = accepted[number].recorded_at
    since = islice(accepted, number, None)
    later = {each.command.command_id for each in takewhile(lambda e: e.recorded_at == at, since)}

    def was_there(line: Line) -> bool:
        if line.recorded_at != at:
            return line.recorded_at < at
        return line.command_id not in later and not _all_left(status, line)

    return list(takewhile(was_there, lines))


def _all_left(status: Timeline[str], line: Line) -> bool:
    """Whether a customer had left on all days that a line covers."""
    begun = [value for start, value in status if line.coverage_from < start < line.coverage_to]
    return {value_on(status, line.coverage_from), *begun} == {"left"}


def heads(lines: Iterable[Line]) -> list[Line]:
    """Return the last line of each period, by period."""
    last = {line.period: line for line in lines}
    return [last[period] for period in sorted(last)]


def _comes_back(line: Line, before: Line | None) -> bool:
    """Whether a line puts a cancelled bill back, which is then priced anew."""
    return line.kind == "reversal" and line.standing and not (before and before.standing)


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
            account.periods = heads(lines_before(lines, accepted, at, account.terms.status))
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
    found = [(terms, prices) for prices in _lists(line, policies) for terms in possible]
    agreed = [each for each in found if _charge(*each, line) == line.recurring_charge]
    terms, prices = agreed[0] if agreed else found[0]
    days = line.coverage_from, line.coverage_to, line.anchor_day
    return Pricing(
        [Priced(piece, _sold(piece, prices)) for piece in pieces(terms, *days, prices)],
        line.recurring_charge,
        line.discount_ppm,
        line.recurring_discount,
        line.vat_exempt,
        recurring_parts(line, policies),
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


def _lists(line: Line, policies: Mapping[int, Policy]) -> list[PriceList]:
    """Return the price lists that a line may have been priced by, as known now and before. A code
    that its policy version lacks is read from a later one, which may not have been there yet."""
    version = line.bill_policy_version
    lists = [policies.get(version, NO_POLICY).price_list]
    for newest in sorted((each for each in policies if each >= version), reverse=True):
        known = {each: policy for each, policy in policies.items() if each <= newest}
        lists.append(read_together(known)[version].price_list)
    return list(dict.fromkeys(lists))


def _charge(terms: Terms, prices: PriceList, line: Line) -> int | None:
    """Return what the terms charge for a line's days, None where a price is not known."""
    try:
        return charge(terms, line.coverage_from, line.coverage_to, line.anchor_day, prices)[0]
    except Unpriced:
        return None


def _sold(piece: Piece, prices: PriceList) -> list[Sold]:
    if piece.status != "active":
        return []
    return [
        Sold(code, prices.on(code, piece.starts) if price is None else price, quantity,
             price is not None)
        for code, price, quantity in ((*piece.package, 1), *piece.extras)
    ]  # fmt: skip
