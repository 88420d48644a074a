"""One version of the policy: taxes, prices, permissions, days of grace (docs/policy.md)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType
from typing import NamedTuple

from shared.ledger.money import share
from shared.ledger.policy.prices import NO_PRICES, PriceList, lists_as_read

PERMISSIONS = frozenset(
    {
        "discount", "vat_exempt", "cancel", "refund", "adjust", "bill_up_to", "rebill", "price",
        "vip", "grace", "tick",
    }
)  # fmt: skip
"""What staff may do. No event needs `tick`: it is for the console in the browser and HTTP."""

GRACE_DAYS = 10
"""The days of grace where no policy says otherwise (docs/policy.md)."""


class Tax(NamedTuple):
    """One component: its rate in parts per million, in force on days [starts, ends).

    `on` are the codes of components that are part of its base, besides the net amount.
    """

    code: str
    rate_ppm: int
    starts: date
    ends: date | None = None
    on: tuple[str, ...] = ()


class Staff(NamedTuple):
    """What one member of staff may do; `discount_ppm_max` None means no limit on discounts."""

    may: frozenset[str]
    discount_ppm_max: int | None = None


class Seller(NamedTuple):
    """Who sells, as documents print it."""

    name: str | None = None
    address: str | None = None
    tax_id: str | None = None
    phone: str | None = None


NO_SELLER = Seller()


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of the policy. Version 0 is the empty one: no tax, no staff, no price list.

    `prices` is the version's own list. `listed` is the list as the version's bills read it, with
    the codes that it lacks taken from other versions; None where no other version is known.
    """

    version: int = 0
    taxes: tuple[Tax, ...] = ()
    staff: MappingProxyType[str, Staff] = field(default_factory=lambda: MappingProxyType({}))
    grace_days: int = GRACE_DAYS
    prices: PriceList = NO_PRICES
    seller: Seller = NO_SELLER
    document_prefix: str = ""
    listed: PriceList | None = None

    @property
    def price_list(self) -> PriceList:
        """The price list that the version's bills read."""
        return self.prices if self.listed is None else self.listed

    def permits(self, actor: str | None, permission: str) -> bool:
        return actor is not None and actor in self.staff and permission in self.staff[actor].may

    def discount_ppm_max(self, actor: str | None) -> int | None:
        """Return the greatest discount that an actor may grant, None for no limit."""
        member = self.staff.get(actor) if actor is not None else None
        return member.discount_ppm_max if member is not None else None

    def tax_parts(self, net: int, day: date) -> Iterator[tuple[Tax, int, int]]:
        """Yield each component in force on a day as (tax, its base, its amount), in order.

        A component's base is the net amount and the components named in its `on` that are
        in force; each amount is rounded (docs/rules.md#vat). Minor units.
        """
        amounts: dict[str, int] = {}
        for tax in self.taxes:
            if tax.starts <= day and (tax.ends is None or day < tax.ends):
                base = net + sum(amounts.get(code, 0) for code in tax.on)
                amounts[tax.code] = share(base, tax.rate_ppm)
                yield tax, base, amounts[tax.code]

    def vat(self, net: int, day: date, exempt: bool) -> int:
        """Return the tax on a net amount on a day (minor units); 0 for the exempt."""
        if exempt:
            return 0
        return sum(amount for _, _, amount in self.tax_parts(net, day))


NO_POLICY = Policy()


def read_together(policies: Mapping[int, Policy]) -> Mapping[int, Policy]:
    """Return policy versions that know one another's prices (`Policy.listed`)."""
    if not any(policy.prices for policy in policies.values()):
        return policies
    lists = lists_as_read({version: policy.prices for version, policy in policies.items()})
    return {
        version: policy
        if policy.listed == lists[version]
        else replace(policy, listed=lists[version])
        for version, policy in policies.items()
    }
