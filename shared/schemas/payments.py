"""The events of billing.payments.v1: money and corrections in a customer's periods."""

from datetime import date
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from shared.ledger import commands
from shared.schemas.event import CustomerEvent
from shared.schemas.extras import left_out_if
from shared.schemas.fields import (
    AMOUNT_FORM,
    DAY_FORM,
    ID_FORM,
    INSTANT_FORM,
    LABEL_FORM,
    TEXT_FORM,
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

POSTED_IN = (
    f"Label of the billed period, {LABEL_FORM}. Default: the billed period that covers {{}}; "
    "before the first one the first, after the last one the last."
)
REASON = f"Why, in words for people, {TEXT_FORM}."


def _none_if_blank(text: str | None) -> str | None:
    return text if text is not None and text.strip() else None


class PaymentReceived(CustomerEvent):
    """Money came in. An empty reference, or one of spaces, counts as none."""

    type: ClassVar[str] = "billing.payment.received.v1"

    payment_id: Id = Field(description=f"Id of the payment: {ID_FORM}.")
    amount: AmountAboveZero = Field(description=f"The money that came in: {AMOUNT_FORM}, above 0.")
    method: Text = Field(description=f"How it was paid, such as `cash` or `bkash`, {TEXT_FORM}.")
    channel: Literal["online", "field"] = Field(
        description="Where it was taken: `online`, or in the `field` by a collector."
    )
    received_at: Instant = Field(description=f"When the money came in: {INSTANT_FORM}.")
    reference: Annotated[Text | None, AfterValidator(_none_if_blank)] = Field(
        default=None,
        description=f"Number of the transfer, {TEXT_FORM}. Only one payment may have it per "
        "method, case and outer spaces aside. Default: none; so is one of spaces.",
    )
    actor: Text = Field(description="Id of who took the payment. It needs no permission.")
    shared: Annotated[bool | None, left_out_if(False)] = Field(
        default=None,
        description="Whether other payments that say `shared` too may have the same reference. "
        "Default false.",
    )

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
    """A discount on one bill."""

    type: ClassVar[str] = "billing.discount.granted.v1"

    discount_id: Id = Field(description=f"Id of the discount: {ID_FORM}.")
    amount: AmountAboveZero = Field(
        description=f"What the bill is lowered by, VAT included: {AMOUNT_FORM}, above 0."
    )
    period: Label | None = Field(default=None, description=POSTED_IN.format("granted_at"))
    granted_at: Instant = Field(description=f"When it was granted: {INSTANT_FORM}.")
    actor: Text = Field(description="Staff id of who grants it; needs the permission `discount`.")
    reason: Text = Field(description=REASON)

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
    """A charge or a credit besides the recurring one."""

    type: ClassVar[str] = "billing.adjustment.made.v1"

    adjustment_id: Id = Field(description=f"Id of the adjustment: {ID_FORM}.")
    amount: AmountNotZero = Field(
        description=f"What is charged, before VAT: {AMOUNT_FORM}, not 0; below 0 is a credit."
    )
    period: Label | None = Field(default=None, description=POSTED_IN.format("made_at"))
    made_at: Instant = Field(description=f"When it was made: {INSTANT_FORM}.")
    actor: Text = Field(description="Staff id of who makes it; needs the permission `adjust`.")
    reason: Text = Field(description=REASON)
    vat_exempt: Annotated[bool | None, left_out_if(False)] = Field(
        default=None,
        description="Whether the amount is free of VAT. Default false; true also needs "
        "`vat_exempt`.",
    )

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
    """Money went back to a customer."""

    type: ClassVar[str] = "billing.refund.made.v1"

    refund_id: Id = Field(description=f"Id of the refund: {ID_FORM}.")
    amount: AmountAboveZero = Field(description=f"The money that went out: {AMOUNT_FORM}, above 0.")
    payment_id: Id | None = Field(
        default=None,
        description="The payment_id of the payment that is returned. "
        "Default: none; the customer's credit is paid out.",
    )
    refunded_at: Instant = Field(description=f"When the money went out: {INSTANT_FORM}.")
    actor: Text = Field(description="Staff id of who makes it; needs the permission `refund`.")
    reason: Text = Field(description=REASON)

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

    cancellation_id: Id = Field(description=f"Id of the cancellation: {ID_FORM}.")
    cancels: Text = Field(
        description="Command id of what is cancelled, such as `payment/p-1`, "
        "`bill/CUSTOMER/PERIOD`, or `cancellation/x-1` to undo one."
    )
    requested_at: Instant = Field(description=f"When it was asked for: {INSTANT_FORM}.")
    actor: Text = Field(description="Staff id of who asks for it; needs the permission `cancel`.")
    reason: Text = Field(description=REASON)

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
    """A customer is billed ahead, up to a day."""

    type: ClassVar[str] = "billing.bill_up_to.set.v1"

    bill_up_to_id: Id = Field(description=f"Id of the command: {ID_FORM}.")
    up_to: Day = Field(description=f"The last day that is billed, included: {DAY_FORM}.")
    set_at: Instant = Field(description=f"When it was asked for: {INSTANT_FORM}.")
    actor: Text = Field(
        description="Staff id of who asks for it; needs the permission `bill_up_to`."
    )

    def command(self, zone: ZoneInfo) -> commands.BillUpToSet:
        return commands.BillUpToSet(
            command_id=f"bill_up_to/{self.bill_up_to_id}",
            customer_id=self.customer_id,
            up_to=date.fromisoformat(self.up_to),
            set_on=local_day("set_at", self.set_at, zone),
            actor=self.actor,
        )


class RebillRequested(CustomerEvent):
    """A new bill for a period whose bill was cancelled."""

    type: ClassVar[str] = "billing.rebill.requested.v1"

    rebill_id: Id = Field(description=f"Id of the rebill: {ID_FORM}.")
    period: Label = Field(description=f"Label of the period, {LABEL_FORM}.")
    requested_at: Instant = Field(description=f"When it was asked for: {INSTANT_FORM}.")
    actor: Text = Field(description="Staff id of who asks for it; needs the permission `rebill`.")
    reason: Text = Field(description=REASON)

    def command(self, zone: ZoneInfo) -> commands.RebillRequested:
        return commands.RebillRequested(
            command_id=f"rebill/{self.rebill_id}",
            customer_id=self.customer_id,
            period=self.period,
            requested_on=local_day("requested_at", self.requested_at, zone),
            actor=self.actor,
            reason=self.reason,
        )
