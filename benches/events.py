"""The events of the measurements: what numbered customers do, and ticks."""

import random
from collections.abc import Iterator
from datetime import date
from typing import Any

from shared.schemas.envelope import Message
from shared.schemas.publish import binary

LAST = "2026-01"
"""The label of every customer's last period when a measurement begins."""
PACKAGES = 5
"""Number of packages; a customer's number modulo this is theirs."""
SIGNED_UP = "billing.customer.signed_up.v1"
PAID = "billing.payment.received.v1"


def customer_id(number: int) -> str:
    return f"c-{number:07d}"


def signups(customers: int, first: str) -> Iterator[Message]:
    """Yield signups on the first day of a month, such as 2024-02."""
    for number in range(customers):
        data = signup_data(customer_id(number), number % PACKAGES, first)
        data |= {"name": f"Customer {number}", "phone": f"+88017{number:08d}"}
        yield _event(SIGNED_UP, f"signup-{number}", data)


def signup_data(customer: str, package: int, first: str) -> dict[str, Any]:
    return {
        "customer_id": customer,
        "signed_up_at": f"{first}-01T09:00:00+06:00",
        "joined_on": f"{first}-01",
        "name": "Customer",
        "phone": "+8801700000000",
        "package": {"code": f"home-{package}", "price": f"{500 + 100 * package}.00"},
        "cycle": {"kind": "start_of_month"},
    }


def tick(day: str) -> Message:
    """Return the tick of a day; its id is the day."""
    data = {
        "tick_id": day,
        "period": day[:7],
        "as_of": day,
        "trigger": "nightly",
        "allow_gap": True,
    }
    return _event("billing.tick.v1", day, data)


def payments(count: int, customers: int, seed: int) -> Iterator[Message]:
    """Yield payments for the last period, of customers chosen at random by a seed."""
    chance = random.Random(seed)
    for number in range(count):
        yield payment(f"{seed}-{number}", chance.randrange(customers))


def payment(payment_id: str, number: int) -> Message:
    data = payment_data(payment_id, customer_id(number), "100.00", LAST)
    return _event(PAID, f"payment-{payment_id}", data)


def payment_data(payment_id: str, customer: str, amount: str, label: str) -> dict[str, Any]:
    """Return the data of a payment in the middle of a month; `amount` such as 100.00."""
    return {
        "payment_id": payment_id,
        "customer_id": customer,
        "amount": amount,
        "method": "cash",
        "channel": "field",
        "received_at": f"{date.fromisoformat(label + '-15')}T10:00:00+06:00",
        "actor": "bench",
    }


def cancellation(number: int, label: str) -> Message:
    data = {
        "cancellation_id": f"{number}-{label}",
        "customer_id": customer_id(number),
        "cancels": f"bill/{customer_id(number)}/{label}",
        "requested_at": f"{LAST}-20T10:00:00+06:00",
        "actor": "bench",
        "reason": "bench",
    }
    return _event("billing.cancellation.requested.v1", f"cancellation-{number}", data)


def _event(kind: str, event_id: str, data: dict[str, Any]) -> Message:
    return binary(kind, data, event_id, "bench")
