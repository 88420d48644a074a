"""What granted discounts take, written a second time (docs/rules.md#granted-discounts)."""

from shared.ledger.line import Line


def limited(line: Line) -> Line:
    """Return the period with its granted discounts (`gifts`, in full) taking what there is.

    `discount` and `vat` may hold what they took before; the figures without them are found first.
    """
    discount = line.discount - line.granted_discount
    vat = line.vat + line.granted_vat
    there = line.charge - discount + vat
    if line.gifts == 0 or there <= 0:
        net_taken = vat_taken = 0
    elif line.gifts >= there:
        vat_taken = vat if line.gifts > there else min(line.gifts_vat, vat)
        net_taken = min(line.gifts, there) - vat_taken
    else:
        vat_taken = min(line.gifts_vat, vat)
        net_taken = line.gifts - vat_taken
    return _taking(line, discount, vat, net_taken, vat_taken)


def unlimited(line: Line) -> Line:
    """Return the same by the rules of releases before 2026-12: all of it is taken."""
    discount, vat = line.discount - line.granted_discount, line.vat + line.granted_vat
    return _taking(line, discount, vat, line.gifts - line.gifts_vat, line.gifts_vat)


def _taking(line: Line, discount: int, vat: int, net_taken: int, vat_taken: int) -> Line:
    return line._replace(
        discount=discount + net_taken,
        vat=vat - vat_taken,
        granted_discount=net_taken,
        granted_vat=vat_taken,
    )
