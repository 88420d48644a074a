"""Commands and policies of random histories said the way the world says them: events and TOML."""

from collections.abc import Callable
from datetime import date
from typing import Any

from shared.ledger import commands as c
from shared.ledger.money import decimal
from shared.ledger.policy.policy import Policy
from shared.ledger.terms import Cycle, Extra, Extras, Package

Event = tuple[str, dict[str, Any]]


def event_of(command: Any) -> Event:
    """Return the type and data of the event that means a command, in the zone Asia/Dhaka."""
    name, instant, fields = SAYS[type(command)]
    kind, _, own_id = command.command_id.partition("/")
    data = {f"{kind}_id": own_id, instant: f"{_when(command)}T10:00:00+06:00"}
    for field in fields.split():
        value = getattr(command, field)
        if value is not None:
            key, write = WRITTEN.get(field, (field, _plain))
            data[key] = write(value)
    return f"billing.{name}.v1", data


def toml_of(policy: Policy) -> str:
    """Return the policy file of a policy; a file may not name a tax that is not there."""
    said, above = [], set[str]()
    for tax in policy.taxes:
        on = ", ".join(f'"{code}"' for code in tax.on if code in above)
        above.add(tax.code)
        said.append(f'[[tax]]\ncode = "{tax.code}"\nrate = "{_percent(tax.rate_ppm)}"')
        said.append(f"from = {tax.starts}\non = [{on}]")
        said += [f"until = {tax.ends}"] if tax.ends else []
    for name, member in policy.staff.items():
        may = ", ".join(f'"{each}"' for each in sorted(member.may))
        said.append(f'[[staff]]\nid = "{name}"\nmay = [{may}]')
        if member.discount_ppm_max is not None:
            said.append(f'max_discount_percent = "{_percent(member.discount_ppm_max)}"')
    for entries in policy.prices.by_code.values():
        for price in entries:
            said.append(f'[[price]]\ncode = "{price.code}"\nfrom = {price.starts}')
            said.append(f'amount = "{decimal(price.amount)}"')
            said += [f'name = "{price.name}"'] if price.name else []
    said.append(f"[billing]\ngrace_days = {policy.grace_days}")
    return "\n".join(said) + "\n"


def _when(command: Any) -> date:
    """The day on which it was said: the last word of the fields that end in `_on`."""
    days = ("signed_up_on", "changed_on", "received_on", "granted_on", "made_on", "refunded_on",
            "requested_on", "set_on")  # fmt: skip
    said: date = next(getattr(command, day) for day in days if hasattr(command, day))
    return said


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _percent(ppm: int) -> str:
    return f"{ppm // 10_000}.{ppm % 10_000:04}"


def _package(package: Package | Extra) -> dict[str, Any]:
    own = {} if package.price is None else {"price": decimal(package.price)}
    return {"code": package.code, **own}


def _extras(extras: Extras) -> list[dict[str, Any]]:
    """Write extras in another order than the command has them: it does not count."""
    return [{**_package(extra), "quantity": extra.quantity} for extra in reversed(extras)]


def _cycle(cycle: Cycle) -> dict[str, Any]:
    return {"kind": cycle.kind, **({"day": cycle.day} if cycle.kind == "custom" else {})}


WRITTEN: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "package": ("package", _package),
    "extras": ("extras", _extras),
    "cycle": ("cycle", _cycle),
    "discount_ppm": ("discount_percent", _percent),
    "amount": ("amount", decimal),
    "opening_due": ("opening_due", decimal),
}
TERMS = (
    "package cycle mode vip discount_ppm vat_exempt phone language name actor customer_id extras"
    " username texting address email tax_id"
)
MONEY = "customer_id amount period actor reason"
SAYS: dict[type, tuple[str, str, str]] = {
    c.SignedUp: (
        "customer.signed_up", "signed_up_at", f"{TERMS} joined_on bill_from opening_due silent",
    ),
    c.Changed: (
        "customer.changed", "changed_at",
        f"{TERMS} status effective_on prorate until grace_until",
    ),
    c.PaymentReceived: (
        "payment.received", "received_at",
        "customer_id amount method channel reference actor shared",
    ),
    c.DiscountGranted: ("discount.granted", "granted_at", MONEY),
    c.AdjustmentMade: ("adjustment.made", "made_at", f"{MONEY} vat_exempt"),
    c.RefundMade: ("refund.made", "refunded_at", "customer_id amount payment_id actor reason"),
    c.CancellationRequested: (
        "cancellation.requested", "requested_at", "customer_id cancels actor reason",
    ),
    c.BillUpToSet: ("bill_up_to.set", "set_at", "customer_id up_to actor"),
    c.RebillRequested: ("rebill.requested", "requested_at", "customer_id period actor reason"),
}  # fmt: skip
"""The type's name, the field of its instant, and the fields that are said besides."""
