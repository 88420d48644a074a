"""Payment references: when two are the same, and who holds one (docs/rules.md#payment)."""

from typing import NamedTuple

Reference = tuple[str, str]
"""A method and a reference of that method, as they are compared: `reference_of`."""


class Held(NamedTuple):
    """The live payments that hold a reference, by command id in the order they came, and whether
    all of them say `shared`."""

    payments: tuple[str, ...]
    shared: bool


def reference_of(method: str | None, reference: str | None) -> Reference | None:
    """Return a method and reference as they are compared, case and outer spaces aside; None where
    there is no reference. One of spaces counts as none."""
    if method is None or reference is None:
        return None
    text = compared(reference)
    return (compared(method), text) if text else None


def compared(text: str) -> str:
    """Return a method or a reference as it is compared."""
    return text.strip().casefold()


def may_hold(held: Held | None, shared: bool) -> bool:
    """Whether another payment may hold the reference: a free one, or one that all share."""
    return held is None or (shared and held.shared)


def with_holder(held: Held | None, payment: str, shared: bool) -> Held:
    """Return who holds the reference once a payment holds it too."""
    if held is None:
        return Held((payment,), shared)
    return Held((*held.payments, payment), held.shared and shared)


def without_holder(held: Held | None, payment: str) -> Held | None:
    """Return who holds the reference once a payment was cancelled; None where nobody does."""
    left = () if held is None else tuple(each for each in held.payments if each != payment)
    return Held(left, held.shared) if held is not None and left else None
