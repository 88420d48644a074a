"""What a policy changes against the version before it, in plain words (docs/policy.md#versions)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

from shared.ledger.money import decimal, percent
from shared.ledger.policy.policy import Policy, Seller, Staff, Tax
from shared.ledger.policy.prices import Price, PriceList


class Change(NamedTuple):
    """One line for a person; `takes_away` is true where it removes a tax, a price or a member of
    staff."""

    words: str
    takes_away: bool = False


def changes(before: Policy, after: Policy) -> list[Change]:
    """Return what differs, none when the two mean the same: taxes, prices, staff, days of grace,
    and what documents print."""
    return [
        *_taxes(before, after),
        *_prices(before, after),
        *_staff(before, after),
        *_grace(before, after),
        *_documents(before, after),
    ]


def _taxes(before: Policy, after: Policy) -> Iterator[Change]:
    was, now = _by_code(before.taxes), _by_code(after.taxes)
    for code in (*was, *(code for code in now if code not in was)):
        # Entries that begin on the same day are compared; the rest are paired in order.
        same = {tax.starts for tax in was[code]} & {tax.starts for tax in now[code]}
        pairs = [(_starting(was[code], day), _starting(now[code], day)) for day in sorted(same)]
        others = [[tax for tax in taxes[code] if tax.starts not in same] for taxes in (was, now)]
        for old, new in [*pairs, *zip_longest(*others)]:
            if new is None:
                yield Change(f"tax {code}: taken away ({_terms(old)})", takes_away=True)
            elif old is None:
                yield Change(f"tax {code}: added, {_terms(new)}")
            elif old != new:
                yield Change(f"tax {code}: {_terms(old)} becomes {_terms(new)}")
    orders = [[tax.code for tax in policy.taxes] for policy in (before, after)]
    if orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1]):
        yield Change(f"taxes are worked out in another order: {', '.join(orders[1])}")


def _by_code(taxes: Iterable[Tax]) -> defaultdict[str, list[Tax]]:
    found: defaultdict[str, list[Tax]] = defaultdict(list)
    for tax in taxes:
        found[tax.code].append(tax)
    for each in found.values():
        each.sort(key=lambda tax: tax.starts)
    return found


def _starting(taxes: Iterable[Tax], day: object) -> Tax:
    return next(tax for tax in taxes if tax.starts == day)


def _terms(tax: Tax) -> str:
    words = f"{percent(tax.rate_ppm)} % from {tax.starts}"
    if tax.ends is not None:
        words += f" until {tax.ends}"
    return words + (f" on {', '.join(tax.on)}" if tax.on else "")


def _prices(before: Policy, after: Policy) -> Iterator[Change]:
    was, now = before.prices.by_code, after.prices.by_code
    for code in (*was, *(code for code in now if code not in was)):
        old = {price.starts: price for price in was.get(code, ())}
        new = {price.starts: price for price in now.get(code, ())}
        for day in sorted(old.keys() | new.keys()):
            if day not in new:
                words = f"price {code}: taken away ({decimal(old[day].amount)} from {day})"
                yield Change(words, takes_away=True)
            elif day not in old:
                yield Change(f"price {code}: added, {decimal(new[day].amount)} from {day}")
            elif old[day].amount != new[day].amount:
                amounts = f"{decimal(old[day].amount)} becomes {decimal(new[day].amount)}"
                yield Change(f"price {code} from {day}: {amounts}")
            elif old[day].name != new[day].name:
                yield Change(f"price {code} from {day}: is called {_said(new[day].name)}")


def brought_back(
    old: Mapping[str, tuple[int, Sequence[Price]]], lacks: int, now: PriceList
) -> list[str]:
    """Return a warning for each code that comes back at other prices than it had.

    `old` has, for each code that version `lacks` does not have, the last version that had it and
    its entries. Bills made in between read these, and from now on the new ones
    (docs/rules.md#price-list).
    """
    warnings = []
    for code, (version, entries) in old.items():
        if [each[:3] for each in entries] != [each[:3] for each in now.by_code[code]]:
            first = version + 1
            made = f"version {lacks}" if first == lacks else f"versions {first} to {lacks}"
            warnings.append(
                f"price {code} comes back with other entries than version {version} had: bills made"
                f" under {made}, where it is missing, now read the new ones if they are priced"
                " again or extended, which may change their amount"
            )
    return warnings


def _documents(before: Policy, after: Policy) -> Iterator[Change]:
    for name, old, new in zip(Seller._fields, before.seller, after.seller, strict=True):
        if old != new:
            yield Change(f"seller {name}: {_said(old)} becomes {_said(new)}")
    if before.document_prefix != after.document_prefix:
        old, new = _said(before.document_prefix), _said(after.document_prefix)
        yield Change(f"prefix of document numbers: {old} becomes {new}")


def _said(text: str | None) -> str:
    return repr(text) if text else "nothing"


def _staff(before: Policy, after: Policy) -> Iterator[Change]:
    for name in (*before.staff, *(name for name in after.staff if name not in before.staff)):
        old, new = before.staff.get(name), after.staff.get(name)
        if new is None:
            assert old is not None
            yield Change(f"staff {name}: taken away (may {_rights(old)})", takes_away=True)
        elif old is None:
            yield Change(f"staff {name}: added, may {_rights(new)}, {_limit(new)}")
        else:
            if more := new.may - old.may:
                yield Change(f"staff {name}: may also {', '.join(sorted(more))}")
            if fewer := old.may - new.may:
                yield Change(f"staff {name}: may no longer {', '.join(sorted(fewer))}")
            if new.discount_ppm_max != old.discount_ppm_max:
                yield Change(f"staff {name}: {_limit(old)} becomes {_limit(new)}")


def _rights(member: Staff) -> str:
    return ", ".join(sorted(member.may)) or "nothing"


def _limit(member: Staff) -> str:
    if member.discount_ppm_max is None:
        return "no limit on discounts"
    return f"discounts up to {percent(member.discount_ppm_max)} %"


def _grace(before: Policy, after: Policy) -> Iterator[Change]:
    if before.grace_days != after.grace_days:
        yield Change(f"days of grace: {before.grace_days} becomes {after.grace_days}")
