"""The worked examples, events in and statement out, read without the product's own codec.

`tests/support/examples` has those that this version answers to; where the originals lie beside
the repository (`../shared/examples`), a test proves that they are the same files.
"""

import json
from collections.abc import Hashable, Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from shared.ledger import commands as c
from shared.ledger.money import minor, parts_per_million
from shared.ledger.policy.policy import Policy, Staff, Tax
from shared.ledger.policy.prices import Price, PriceList
from shared.ledger.terms import Cycle, Extra, Package

BESIDE = Path(__file__).parents[3] / "shared" / "examples"
COPIED = Path(__file__).parent / "examples"


class Event(NamedTuple):
    """One event: the command it means, what decides its sameness, what should come of it."""

    command: Any
    content: Hashable
    outcome: str
    reason: str | None


class Example(NamedTuple):
    """One file: `statements` and `lines` are the expected rows, as written in the file;
    `expires_on` the day by customer, in files that say one."""

    name: str
    policy: Policy
    events: list[Event]
    statements: Mapping[str, list[dict[str, Any]]]
    lines: Mapping[str, list[dict[str, Any]]]
    expires_on: Mapping[str, str | None]


def examples(zone: str = "Asia/Dhaka") -> list[Example]:
    """Read every example, in the order of the files' names."""
    return [_example(path, ZoneInfo(zone)) for path in sorted(COPIED.glob("*.json"))]


def _example(path: Path, zone: ZoneInfo) -> Example:
    told = json.loads(path.read_text(encoding="utf-8"))
    events = [
        Event(
            command := command_of(event["type"], event["data"], zone),
            content_of(command, event["data"]),
            event["outcome"],
            event.get("reason"),
        )
        for event in told["events"]
    ]
    return Example(
        path.stem,
        policy_of(told["policy"]),
        events,
        told["statements"],
        told.get("lines", {}),
        told.get("expires_on", {}),
    )


def policy_of(told: Mapping[str, Any], version: int = 1) -> Policy:
    """Read a policy from the JSON of an example, shaped like the TOML of docs/policy.md."""
    taxes = tuple(
        Tax(
            tax["code"],
            parts_per_million(tax["rate"]),
            date.fromisoformat(tax["from"]),
            _day(tax.get("until")),
            tuple(tax.get("on", ())),
        )
        for tax in told.get("tax", ())
    )
    staff = {
        member["id"]: Staff(frozenset(member["may"]), _ppm(member.get("max_discount_percent")))
        for member in told.get("staff", ())
    }
    grace_days = told.get("billing", {}).get("grace_days", 10)
    prices = PriceList(
        Price(
            price["code"], date.fromisoformat(price["from"]), minor(price["amount"]),
            price.get("name"),
        )
        for price in told.get("price", ())
    )  # fmt: skip
    return Policy(version, taxes, MappingProxyType(staff), grace_days, prices)


def content_of(command: Any, told: Mapping[str, Any]) -> Hashable:
    """Return the typed values that make two events the same: the command and its instants."""
    return (command, *(_instant(told[key]) for key in sorted(told) if key.endswith("_at")))


def command_of(event_type: str, told: Mapping[str, Any], zone: ZoneInfo) -> Any:
    """Translate an event's data into the command that the rules understand."""
    kind = event_type.removeprefix("billing.").removesuffix(".v1")
    return READERS[kind](told, zone)


def _signed_up(told: Mapping[str, Any], zone: ZoneInfo) -> c.SignedUp:
    joined_on = date.fromisoformat(told["joined_on"])
    return c.SignedUp(
        f"signup/{told.get('signup_id', told['customer_id'])}",
        told["customer_id"],
        _local(told["signed_up_at"], zone),
        joined_on,
        _day(told.get("bill_from")) or joined_on,
        told["name"],
        told["phone"],
        told.get("language", "en"),
        _package(told["package"]),
        _cycle(told["cycle"], joined_on),
        told.get("mode", "cumulative"),
        told.get("vip", False),
        parts_per_million(told.get("discount_percent", "0")),
        told.get("vat_exempt", False),
        minor(told.get("opening_due", "0")),
        told.get("actor"),
        told.get("username", told["customer_id"]),
        _extras(told.get("extras", ())),
        told.get("texting", True),
        told.get("silent", False),
        told.get("address"),
        told.get("email"),
        told.get("tax_id"),
    )


def _changed(told: Mapping[str, Any], zone: ZoneInfo) -> c.Changed:
    return c.Changed(
        f"change/{told['change_id']}",
        told["customer_id"],
        date.fromisoformat(told["effective_on"]),
        _local(told["changed_at"], zone),
        told.get("actor"),
        told.get("prorate"),
        package=_package(told["package"]) if "package" in told else None,
        status=told.get("status"),
        cycle=_cycle(told["cycle"], None) if "cycle" in told else None,
        mode=told.get("mode"),
        vip=told.get("vip"),
        discount_ppm=_ppm(told.get("discount_percent")),
        vat_exempt=told.get("vat_exempt"),
        phone=told.get("phone"),
        language=told.get("language"),
        name=told.get("name"),
        extras=_extras(told["extras"]) if "extras" in told else None,
        until=_day(told.get("until")),
        username=told.get("username"),
        texting=told.get("texting"),
        address=told.get("address"),
        email=told.get("email"),
        tax_id=told.get("tax_id"),
        grace_until=_day(told.get("grace_until")),
    )


def _payment(told: Mapping[str, Any], zone: ZoneInfo) -> c.PaymentReceived:
    return c.PaymentReceived(
        f"payment/{told['payment_id']}",
        told["customer_id"],
        minor(told["amount"]),
        told["method"],
        told["channel"],
        _local(told["received_at"], zone),
        told.get("reference"),
        told["actor"],
        told.get("shared", False),
    )


def _discount(told: Mapping[str, Any], zone: ZoneInfo) -> c.DiscountGranted:
    return c.DiscountGranted(
        f"discount/{told['discount_id']}",
        told["customer_id"],
        minor(told["amount"]),
        told.get("period"),
        _local(told["granted_at"], zone),
        told["actor"],
        told["reason"],
    )


def _adjustment(told: Mapping[str, Any], zone: ZoneInfo) -> c.AdjustmentMade:
    return c.AdjustmentMade(
        f"adjustment/{told['adjustment_id']}",
        told["customer_id"],
        minor(told["amount"]),
        told.get("period"),
        _local(told["made_at"], zone),
        told["actor"],
        told["reason"],
        told.get("vat_exempt", False),
    )


def _refund(told: Mapping[str, Any], zone: ZoneInfo) -> c.RefundMade:
    return c.RefundMade(
        f"refund/{told['refund_id']}",
        told["customer_id"],
        minor(told["amount"]),
        told.get("payment_id"),
        _local(told["refunded_at"], zone),
        told["actor"],
        told["reason"],
    )


def _cancellation(told: Mapping[str, Any], zone: ZoneInfo) -> c.CancellationRequested:
    return c.CancellationRequested(
        f"cancellation/{told['cancellation_id']}",
        told["customer_id"],
        told["cancels"],
        _local(told["requested_at"], zone),
        told["actor"],
        told["reason"],
    )


def _bill_up_to(told: Mapping[str, Any], zone: ZoneInfo) -> c.BillUpToSet:
    return c.BillUpToSet(
        f"bill_up_to/{told['bill_up_to_id']}",
        told["customer_id"],
        date.fromisoformat(told["up_to"]),
        _local(told["set_at"], zone),
        told["actor"],
    )


def _rebill(told: Mapping[str, Any], zone: ZoneInfo) -> c.RebillRequested:
    return c.RebillRequested(
        f"rebill/{told['rebill_id']}",
        told["customer_id"],
        told["period"],
        _local(told["requested_at"], zone),
        told["actor"],
        told["reason"],
    )


def _tick(told: Mapping[str, Any], zone: ZoneInfo) -> c.Ticked:
    return c.Ticked(
        f"tick/{told['tick_id']}",
        told["tick_id"],
        told["period"],
        date.fromisoformat(told["as_of"]),
        told["trigger"],
        told.get("allow_gap", False),
    )


READERS = {
    "customer.signed_up": _signed_up,
    "customer.changed": _changed,
    "payment.received": _payment,
    "discount.granted": _discount,
    "adjustment.made": _adjustment,
    "refund.made": _refund,
    "cancellation.requested": _cancellation,
    "bill_up_to.set": _bill_up_to,
    "rebill.requested": _rebill,
    "tick": _tick,
}


def _package(told: Mapping[str, Any]) -> Package:
    return Package(told["code"], _minor(told.get("price")))


def _extras(told: Iterable[Mapping[str, Any]]) -> tuple[Extra, ...]:
    extras = (Extra(e["code"], _minor(e.get("price")), e.get("quantity", 1)) for e in told)
    return tuple(sorted(extras))


def _minor(told: str | None) -> int | None:
    return None if told is None else minor(told)


def _cycle(told: Mapping[str, Any], joined_on: date | None) -> Cycle:
    """Read a cycle; only a custom one has a day of its own to tell."""
    if told["kind"] == "custom":
        return Cycle("custom", told["day"])
    if told["kind"] == "anniversary" and joined_on is not None:
        return Cycle("anniversary", joined_on.day)
    return Cycle(told["kind"], 1)


def _day(told: str | None) -> date | None:
    return None if told is None else date.fromisoformat(told)


def _ppm(told: str | None) -> int | None:
    return None if told is None else parts_per_million(told)


def _instant(told: str) -> datetime:
    return datetime.fromisoformat(told).astimezone(UTC)


def _local(told: str, zone: ZoneInfo) -> date:
    return datetime.fromisoformat(told).astimezone(zone).date()
