"""Money in minor units (paisa, cents). The only place in the house that rounds.

Amounts are integers. A percentage is an integer too, in parts per million:
12.5 % is 125_000.
"""

import re

PPM = 1_000_000
PPM_PER_PERCENT = PPM // 100
AMOUNT = re.compile(r"-?(0|[1-9]\d*)(\.\d{1,2})?", re.ASCII)
PERCENT = re.compile(r"(0|[1-9]\d{0,2})(\.\d{1,4})?", re.ASCII)


def round_half_up(numerator: int, denominator: int) -> int:
    """Return numerator / denominator as an integer, halves away from zero.

    The denominator is positive. Each rounding is half up, once (docs/rules.md#amounts).
    """
    if numerator >= 0:
        return (2 * numerator + denominator) // (2 * denominator)
    return -((-2 * numerator + denominator) // (2 * denominator))


def share(amount: int, ppm: int) -> int:
    """Return `ppm` parts per million of an amount, rounded once (minor units)."""
    return round_half_up(amount * ppm, PPM)


def minor(text: str) -> int:
    """Read an amount such as "1000.00" into minor units; ValueError when it is not one."""
    if not AMOUNT.fullmatch(text):
        raise ValueError("an amount is a string of digits with at most two decimals")
    whole, _, cents = text.partition(".")
    unsigned = int(whole.lstrip("-")) * 100 + int(cents.ljust(2, "0") or 0)
    return -unsigned if text.startswith("-") else unsigned


def decimal(amount: int) -> str:
    """Write minor units as events and views do: -21613 is "-216.13"."""
    sign = "-" if amount < 0 else ""
    whole, cents = divmod(abs(amount), 100)
    return f"{sign}{whole}.{cents:02d}"


def parts_per_million(text: str) -> int:
    """Read a percentage such as "12.5" (at most four decimals) into parts per million."""
    if not PERCENT.fullmatch(text):
        raise ValueError("a percentage is a string of digits with at most four decimals")
    whole, _, fraction = text.partition(".")
    return int(whole) * PPM_PER_PERCENT + int(fraction.ljust(4, "0"))


def percent(ppm: int) -> str:
    """Write parts per million as a percentage: 125_000 is "12.5"."""
    whole, fraction = divmod(ppm, PPM_PER_PERCENT)
    return f"{whole}.{fraction:04d}".rstrip("0").rstrip(".")
