"""The commands that the rules understand, as plain values.

Amounts are minor units, percentages parts per million, days civil dates in the
business zone (`..._on`). `command_id` is that of docs/events.md, such as `payment/p-1`.
"""

from datetime import date
from typing import NamedTuple

from shared.ledger.terms import Cycle, Extras, Package


class SignedUp(NamedTuple):
    command_id: str
    customer_id: str
    signed_up_on: date
    joined_on: date
    bill_from: date
    name: str
    phone: str
    language: str
    package: Package
    cycle: Cycle
    mode: str
    vip: bool
    discount_ppm: int
    vat_exempt: bool
    opening_due: int
    actor: str | None
    username: str
    extras: Extras = ()
    texting: bool = True
    silent: bool = False
    address: str | None = None
    email: str | None = None
    tax_id: str | None = None


class Changed(NamedTuple):
    command_id: str
    customer_id: str
    effective_on: date
    changed_on: date
    actor: str | None
    prorate: bool | None
    package: Package | None = None
    status: str | None = None
    cycle: Cycle | None = None
    mode: str | None = None
    vip: bool | None = None
    discount_ppm: int | None = None
    vat_exempt: bool | None = None
    phone: str | None = None
    language: str | None = None
    name: str | None = None
    extras: Extras | None = None
    until: date | None = None
    username: str | None = None
    texting: bool | None = None
    address: str | None = None
    email: str | None = None
    tax_id: str | None = None
    grace_until: date | None = None


class PaymentReceived(NamedTuple):
    command_id: str
    customer_id: str
    amount: int
    method: str
    channel: str
    received_on: date
    reference: str | None
    actor: str
    shared: bool = False


class DiscountGranted(NamedTuple):
    command_id: str
    customer_id: str
    amount: int
    period: str | None
    granted_on: date
    actor: str
    reason: str


class AdjustmentMade(NamedTuple):
    command_id: str
    customer_id: str
    amount: int
    period: str | None
    made_on: date
    actor: str
    reason: str
    vat_exempt: bool = False


class RefundMade(NamedTuple):
    command_id: str
    customer_id: str
    amount: int
    payment_id: str | None
    refunded_on: date
    actor: str
    reason: str


class CancellationRequested(NamedTuple):
    command_id: str
    customer_id: str
    cancels: str
    requested_on: date
    actor: str
    reason: str


class BillUpToSet(NamedTuple):
    command_id: str
    customer_id: str
    up_to: date
    set_on: date
    actor: str


class RebillRequested(NamedTuple):
    command_id: str
    customer_id: str
    period: str
    requested_on: date
    actor: str
    reason: str


class Ticked(NamedTuple):
    command_id: str
    tick_id: str
    period: str
    as_of: date
    trigger: str
    allow_gap: bool


Command = (
    SignedUp
    | Changed
    | PaymentReceived
    | DiscountGranted
    | AdjustmentMade
    | RefundMade
    | CancellationRequested
    | BillUpToSet
    | RebillRequested
)
"""Every command about one customer; a tick (`Ticked`) concerns all of them."""
