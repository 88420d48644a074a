"""Granted discounts never take more than there is (docs/rules.md#granted-discounts).

The granted discounts that count on a standing bill, in full: `gifts`, of which `gifts_vat` is their
VAT share. What they take may be less: where they exceed what the period comes to without them, they
take exactly that, and where it is zero or below, nothing. They count in full again when there is
more again. All amounts are minor units.
"""

from typing import NamedTuple


class Taken(NamedTuple):
    """What granted discounts take of a period: net, and VAT."""

    discount: int
    vat: int


NOTHING = Taken(0, 0)


def taken(gifts: int, gifts_vat: int, whole: int, whole_vat: int) -> Taken:
    """Return what granted discounts take of a period that comes to `whole` without them, VAT
    included, of which VAT is `whole_vat`. Their VAT share is never more than that VAT."""
    if gifts > whole:
        return Taken(whole - whole_vat, whole_vat) if whole > 0 else NOTHING
    if not gifts:
        return NOTHING
    vat = min(gifts_vat, whole_vat)
    return Taken(gifts - vat, vat)
