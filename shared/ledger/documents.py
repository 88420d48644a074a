"""Documents: which lines of the ledger become papers, and what these say (docs/documents.md).

A line that makes a period's bill is an invoice; another line that changes what is billed is a
note; a payment is a receipt. A document has the change of its line, and its VAT by component.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from shared.ledger.line import Line
from shared.ledger.money import round_half_up
from shared.ledger.policy.policy import NO_POLICY, Policy
from shared.ledger.taxes import Parts, adjustment_parts, recurring_parts, total

DocumentKind = Literal["invoice", "credit_note", "debit_note", "receipt"]
SERIES: Mapping[DocumentKind, str] = {
    "invoice": "INV", "credit_note": "CRN", "debit_note": "DBN", "receipt": "RCT",
}  # fmt: skip
"""How the numbers of each kind begin."""
WITHOUT = ("skip", "restatement", "refund")
"""Kinds of lines that change nothing of what is billed, and are no payment."""


class Paper(NamedTuple):
    """What becomes of a line: the document's kind and amounts (minor units), and the line that made
    the bill to which a note refers (0: none)."""

    kind: DocumentKind
    net: int
    vat: int
    refers_to_seq: int = 0


def paper_of(line: Line, before: Line | None) -> Paper | None:
    """Return what document a line becomes, None for none; `before` is the line before it in its
    period. A credit note has the negated change, so that its total is above zero."""
    if line.kind in WITHOUT:
        return None
    if line.kind == "payment":
        return Paper("receipt", line.paid - (before.paid if before else 0), 0)
    net, vat = line.charge - line.discount, line.vat
    if before is not None:
        net, vat = net - (before.charge - before.discount), vat - before.vat
    if line.seq == line.bill_seq:
        return Paper("invoice", net, vat)
    if not net and not vat:
        return None
    stands = line.standing or (before is not None and before.standing)
    refers_to = line.bill_seq if stands else 0
    if net + vat > 0:
        return Paper("debit_note", net, vat, refers_to)
    return Paper("credit_note", -net, -vat, refers_to)


# VAT by component -----------------------------------------------------------------------------

Component = tuple[str, int]
"""Code and rate (parts per million)."""
UNTAXED: Component = ("", 0)
"""What no component taxes."""


class Taxed(NamedTuple):
    """The base of a component and its tax (minor units)."""

    net: int = 0
    tax: int = 0


NOTHING = Taxed()
Split = Mapping[Component, Taxed]
"""Net amounts and VAT by component, in order; the taxes sum to the VAT."""


class _Sum:
    """Net amounts and VAT by component, added up. `taxed` is the net amount that components tax,
    `untaxed` what none does."""

    def __init__(self) -> None:
        self.parts: dict[Component, Taxed] = {}
        self.taxed = self.untaxed = 0

    def add(self, split: Split, net: int, sign: int = 1) -> None:
        for component, (base, tax) in split.items():
            had = self.parts.get(component, NOTHING)
            self.parts[component] = Taxed(had.net + sign * base, had.tax + sign * tax)
        if split.keys() <= {UNTAXED}:
            self.untaxed += sign * net
        else:
            self.taxed += sign * net


def bill_split(parts: Parts, net: int, vat: int) -> Split:
    """Return the VAT of one amount by component. Where the components do not give the VAT, because
    the line was changed by hand, the last one takes the difference."""
    if not parts:
        return {UNTAXED: Taxed(net, vat)} if net or vat else {}
    split: dict[Component, Taxed] = {}
    rest = vat - total(parts)
    for at, part in enumerate(parts, 1):
        had = split.get((part.code, part.rate_ppm), NOTHING)
        tax = part.amount + (rest if at == len(parts) else 0)
        split[part.code, part.rate_ppm] = Taxed(had.net + part.base, had.tax + tax)
    return {each: part for each, part in split.items() if part != NOTHING}


def splits(lines: Iterable[Line], policies: Mapping[int, Policy]) -> dict[int, Split]:
    """Return, for each line of one period, what it changed by component; by seq.

    `lines` are all lines of the period in order. A reversal takes back what its target did; a
    granted discount takes from each component that the period holds.
    """
    policies = defaultdict(lambda: NO_POLICY, policies)  # of a line changed by hand
    adjustments, made = _Sum(), dict[str, tuple[Split, int]]()
    before: Line | None = None
    held: Split = {}
    found: dict[int, Split] = {}
    for line in lines:
        if before is not None and line.adjusted_charge != before.adjusted_charge:
            made[line.command_id] = change = _adjustment(line, before, made, policies)
            adjustments.add(*change)
        now = _held(line, adjustments, policies)
        found[line.seq] = _less(now, held)
        held, before = now, line
    return found


def shown(split: Split, line: Line, before: Line | None) -> Split:
    """Return the split of a line as its document shows it: that of a credit note is negated."""
    paper = paper_of(line, before)
    return _negated(split) if paper is not None and paper.kind == "credit_note" else split


def _negated(split: Split) -> Split:
    return {each: Taxed(-part.net, -part.tax) for each, part in split.items()}


def _adjustment(
    line: Line,
    before: Line,
    made: Mapping[str, tuple[Split, int]],
    policies: Mapping[int, Policy],
) -> tuple[Split, int]:
    """Return what a line changed of the adjustments, and its net amount."""
    net = line.adjusted_charge - before.adjusted_charge
    vat = line.adjusted_vat - before.adjusted_vat
    if line.reverses is not None and line.reverses in made:
        return _negated(made[line.reverses][0]), net
    return bill_split(adjustment_parts(line, before, policies), net, vat), net


def _held(line: Line, adjustments: _Sum, policies: Mapping[int, Policy]) -> Split:
    """Return what a period holds by component after a line."""
    whole = _Sum()
    net = line.recurring_charge - line.recurring_discount
    if net or line.recurring_vat:
        whole.add(bill_split(recurring_parts(line, policies), net, line.recurring_vat), net)
    for component, part in adjustments.parts.items():
        had = whole.parts.get(component, NOTHING)
        whole.parts[component] = Taxed(had.net + part.net, had.tax + part.tax)
    whole.taxed += adjustments.taxed
    whole.untaxed += adjustments.untaxed
    if line.granted_discount or line.granted_vat:
        return _less(whole.parts, _granted(whole, line.granted_discount, line.granted_vat))
    return whole.parts


def _granted(whole: _Sum, discount: int, vat: int) -> Split:
    """Return what granted discounts take of each component: of the taxes in proportion, the largest
    remainder first; of the bases in the proportion of the net amounts."""
    net = whole.taxed + whole.untaxed
    share = round_half_up(discount * whole.taxed, net) if net > 0 else discount
    taxes = in_proportion(vat, [part.tax for part in whole.parts.values()])
    taken: dict[Component, Taxed] = {}
    for (component, part), tax in zip(whole.parts.items(), taxes, strict=True):
        if component == UNTAXED:
            taken[component] = Taxed(discount - share, tax)
        else:
            base = round_half_up(part.net * share, whole.taxed) if whole.taxed > 0 else 0
            taken[component] = Taxed(base, tax)
    return taken


def in_proportion(amount: int, weights: Sequence[int]) -> list[int]:
    """Divide an amount in the proportion of weights, to the last minor unit: each share is rounded
    down, and what is left goes to the largest remainders, the first of equal ones first."""
    whole = sum(weights)
    if whole <= 0 or not amount:
        return [amount if at == 0 else 0 for at in range(len(weights))]
    shares = [amount * weight // whole for weight in weights]
    remainders = [amount * weight % whole for weight in weights]
    order = sorted(range(len(weights)), key=lambda at: -remainders[at])
    for at in order[: amount - sum(shares)]:
        shares[at] += 1
    return shares


def _less(now: Split, before: Split) -> Split:
    """Return the difference by component, without those in which nothing changed."""
    changed: dict[Component, Taxed] = {}
    for component in dict.fromkeys((*now, *before)):
        new, old = now.get(component, NOTHING), before.get(component, NOTHING)
        if new != old:
            changed[component] = Taxed(new.net - old.net, new.tax - old.tax)
    return changed
