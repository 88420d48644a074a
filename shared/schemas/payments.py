"""The events of billing.payments.v1: money and corrections in a customer's periods."""

from datetime import date
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

from shared.ledger import commands
from shared.schemas.event import CustomerEvent
from shared.schemas.extras import left_out_if
from shared.schemas.fields import (
    AmountAboveZero,
    AmountNotZero,
    Day,
    Id,
    Instant,
    Label,
    Text,
    local_day,
    minor_units,
)


def _none_if_empty(text: str | None) -> str | None:
    return text if text is not None and text.strip() else None


class PaymentReceived(CustomerEvent):
    """Money came in. A reference of spaces counts as none, so it never conflicts with another."""

    type: ClassVar[str] = "billing.payment.received.v1"

    payment_id: Id
    amount: AmountAboveZero
    method: Text
    channel: Literal["online", "field"]
    received_at: Instant
    reference: Annotated[Text | None, AfterValidator(_none_if_empty)] = None
    actor: Text
    shared: Annotated[bool | None, left_out_if(False)] = None

    def command(self, zone: ZoneInfo) -> commands.PaymentReceived:
        return commands.PaymentReceived(
            f"payment/{self.payment_id}",
            self.customer_id,
            minor_units(self.amount),
            self.method,
            self.channel,
            local_day("received_at", self.received_at, zone),
            self.reference,
            self.actor,
            self.shared is not None,
        )


class DiscountGranted(CustomerEvent):
    type: ClassVar[str] = "billing.discount.granted.v1"

    discount_id: Id
    amount: AmountAboveZero
    period: Label | None = None
    granted_at: Instant
    actor: Text
    reason: Text

    def command(self, zone: ZoneInfo) -> commands.DiscountGranted:
        return commands.DiscountGranted(
            command_id=f"discount/{self.discount_id}",
            customer_id=self.customer_id,
            amount=minor_units(self.amount),
            period=self.period,
            granted_on=local_day("granted_at", self.granted_at, zone),
            actor=self.actor,
            reason=self.reason,
        )


class AdjustmentMade(CustomerEvent):
    type: ClassVar[str] = "billing.adjustment.made.v1"

    adjustment_id: Id
    amount: AmountNotZero
    period: Label | None = None
    made_at: Instant
    actor: Text
    reason: Text
    vat_exempt: Annotated[bool | None, left_out_if(False)] = None

    def command(self, zone: ZoneInfo) -> commands.AdjustmentMade:
        return commands.AdjustmentMade(
            command_id=f"adjustment/{self.adjustment_id}",
            customer_id=self.customer_id,
            amount=minor_units(self.amount),
            period=self.period,
            made_on=local_day("made_at", self.made_at, zone),
            actor=self.actor,
            reason=self.reason,
            vat_exempt=self.vat_exempt is not None,
        )


class RefundMade(CustomerEvent):
    type: ClassVar[str] = "billing.refund.made.v1"

    refund_id: Id
    amount: AmountAboveZero
    payment_id: Id | None = None
    refunded_at: Instant
    actor: Text
    reason: Text

    def command(self, zone: ZoneInfo) -> commands.RefundMade:
        return commands.RefundMade(
            command_id=f"refund/{self.refund_id}",
            customer_id=self.customer_id,
            amount=minor_units(self.amount),
            payment_id=self.payment_id,
            refunded_on=local_day("refunded_at", self.refunded_at, zone),
            actor=self.actor,
            reason=self.reason,
        )


class CancellationRequested(CustomerEvent):
    """`cancels` is any text: one that names nothing is refused as `unknown_target`."""

    type: ClassVar[str] = "billing.cancellation.requested.v1"

    cancellation_id: Id
    cancels: Text
    requested_at: Instant
    actor: Text
    reason: Text

    def command(self, zone: ZoneInfo) -> commands.CancellationRequested:
        return commands.CancellationRequested(
            command_id=f"cancellation/{self.cancellation_id}",
            customer_id=self.customer_id,
            cancels=self.cancels,
            requested_on=local_day("requested_at", self.requested_at, zone),
            actor=self.actor,
            reason=self.reason,
        )


class BillUpToSet(CustomerEvent):
    type: ClassVar[str] = "billing.bill_up_to.set.v1"

    bill_up_to_id: Id
    up_to: Day
    set_at: Instant
    actor: Text

    def command(self, zone: ZoneInfo) -> commands.BillUpToSet:
        return commands.BillUpToSet(
            command_id=f"bill_up_to/{self.bill_up_to_id}",
            customer_id=self.customer_id,
            up_to=date.fromisoformat(self.up_to),
            set_on=local_day("set_at", self.set_at, zone),
            actor=self.actor,
        )


class RebillRequested(CustomerEvent):
    type: ClassVar[str] = "billing.rebill.requested.v1"

    rebill_id: Id
    period: Label
    requested_at: Instant
    actor: Text
    reason: Text

    def command(self, zone: ZoneInfo) -> commands.RebillRequested:
        return commands.RebillRequested(
            command_id=f"rebill/{self.rebill_id}",
            customer_id=self.customer_id,
            period=self.period,
            requested_on=local_day("requested_at", self.requested_at, zone),
            actor=self.actor,
            reason=self.reason,
        )
