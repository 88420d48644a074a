"""VAT by its components, as lines have them; minor units.

A line holds VAT as one sum. What it is made of follows from the policy version, the day and the
exemption by which it was computed; parts count only where they add up to what the line has.
KeyError for a version that is not there: somebody changed a line by hand.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple

from shared.ledger.line import Line
from shared.ledger.policy.policy import Policy


class TaxPart(NamedTuple):
    """One component of VAT: `amount` is `rate_ppm` of `base` (minor units)."""

    code: str
    rate_ppm: int
    base: int
    amount: int


Parts = tuple[TaxPart, ...]


def parts_of(policy: Policy, net: int, day: date) -> Parts:
    """Return the components of a net amount on a day."""
    return tuple(
        TaxPart(tax.code, tax.rate_ppm, base, amount)
        for tax, base, amount in policy.tax_parts(net, day)
    )


def recurring_parts(line: Line, policies: Mapping[int, Policy]) -> Parts:
    """Return the components of the VAT on a period's recurring part."""
    if line.vat_exempt:
        return ()
    net = line.recurring_charge - line.recurring_discount
    policy = policies[line.bill_policy_version]
    return parts_of(policy, net, line.coverage_from)


def adjustment_parts(line: Line, before: Line, policies: Mapping[int, Policy]) -> Parts:
    """Return the components of the VAT of an adjustment; none where it bears no VAT.

    A credit on a standing bill has the rates of that bill, a sale those of its own day
    (docs/rules.md#adjustment). Releases before 2026-12 took those of its own day for both.
    """
    net, vat = (
        line.adjusted_charge - before.adjusted_charge,
        line.adjusted_vat - before.adjusted_vat,
    )
    of_the_bill = policies[line.bill_policy_version], line.coverage_from
    of_its_day = policies[line.policy_version], line.effective_on
    credit = net < 0 and before.standing
    for policy, day in (of_the_bill, of_its_day) if credit else (of_its_day,):
        parts = parts_of(policy, net, day)
        if total(parts) == vat:
            return parts
    return ()


def total(parts: Iterable[TaxPart]) -> int:
    return sum(part.amount for part in parts)
