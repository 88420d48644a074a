"""The price list: what a package or an extra costs a cycle, by day (docs/rules.md#price-list)."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple


class Price(NamedTuple):
    """One entry: from a day on a code costs `amount` a cycle (minor units), until the code's next
    entry. `name` is what documents call it."""

    code: str
    starts: date
    amount: int
    name: str | None = None


class Unpriced(LookupError):
    """No price list has a code that a customer goes by, and the event gave no price. An event that
    was accepted cannot name such a code: somebody changed a row or a policy by hand."""

    def __init__(self, code: str) -> None:
        super().__init__(f"no price list has {code}")
        self.code = code


class PriceList:
    """Prices by code and day. Equal lists have equal entries; the hash is made once, because a bill
    run looks priced bills up by it."""

    __slots__ = ("_hash", "by_code")

    def __init__(self, prices: Iterable[Price] = ()) -> None:
        by_code: dict[str, tuple[Price, ...]] = {}
        for price in sorted(prices, key=lambda each: (each.code, each.starts)):
            by_code[price.code] = (*by_code.get(price.code, ()), price)
        self.by_code: Mapping[str, tuple[Price, ...]] = by_code
        self._hash = hash(tuple(by_code.values()))

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, PriceList) and self.by_code == other.by_code)

    def __hash__(self) -> int:
        return self._hash

    def __bool__(self) -> bool:
        return bool(self.by_code)

    def __contains__(self, code: object) -> bool:
        return code in self.by_code

    def entry_on(self, code: str, day: date) -> Price:
        """Return the entry in force on a day; a code's first price holds on the days before it
        too. Unpriced for a code that the list lacks."""
        entries = self.by_code.get(code)
        if entries is None:
            raise Unpriced(code)
        return next((each for each in reversed(entries) if each.starts <= day), entries[0])

    def on(self, code: str, day: date) -> int:
        """Return what a code costs a cycle on a day, minor units."""
        return self.entry_on(code, day).amount

    def days(self, code: str) -> Iterable[date]:
        """Return the days on which the price of a code changes."""
        return (each.starts for each in self.by_code[code][1:])


NO_PRICES = PriceList()


def lists_as_read(lists: Mapping[int, PriceList]) -> dict[int, PriceList]:
    """Return for each policy version the price list as its bills read it.

    A code that a version lacks is read from the first later version that has it
    (docs/rules.md#price-list). A code that only earlier versions have is read from the last of
    these: nobody goes by it now, but days on which somebody did may still be priced.
    """
    versions = sorted(lists)
    found = {version: dict(lists[version].by_code) for version in versions}
    for order in (versions[::-1], versions):
        known: dict[str, tuple[Price, ...]] = {}
        for version in order:
            found[version] = known = {**known, **found[version]}
    return {
        version: PriceList(price for entries in found[version].values() for price in entries)
        for version in versions
    }
