"""What each command does, one function a command (docs/rules.md).

A handler gets a fork of the account that it may change freely: when it raises `Refused`,
the fork is dropped and with it every bill made on the way.
"""

from collections.abc import Callable
from typing import Any

from shared.ledger.account import Account
from shared.ledger.commands import (
    AdjustmentMade,
    BillUpToSet,
    CancellationRequested,
    Changed,
    DiscountGranted,
    PaymentReceived,
    RebillRequested,
    RefundMade,
    SignedUp,
)
from shared.ledger.handlers.bills import on_bill_up_to, on_rebill
from shared.ledger.handlers.corrections import on_cancellation
from shared.ledger.handlers.customers import on_changed, on_signed_up
from shared.ledger.handlers.money import on_adjustment, on_discount, on_payment, on_refund
from shared.ledger.world import World

HANDLERS: dict[type, Callable[[Account, Any, World], None]] = {
    SignedUp: on_signed_up,
    Changed: on_changed,
    PaymentReceived: on_payment,
    DiscountGranted: on_discount,
    AdjustmentMade: on_adjustment,
    RefundMade: on_refund,
    CancellationRequested: on_cancellation,
    BillUpToSet: on_bill_up_to,
    RebillRequested: on_rebill,
}
