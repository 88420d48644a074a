"""Why each inbound event may be refused or parked: the tables behind docs/events.md.

The rules do not read them. A test holds them against the rules, in both directions.
"""

from shared.ledger.decide import GAP_DAYS_MAX
from shared.ledger.handlers.bills import AHEAD_MONTHS_MAX
from shared.ledger.handlers.customers import AHEAD_DAYS_MAX, BILLS_MAX
from shared.ledger.reasons import Reason, Waiting
from shared.schemas.topics import PAYMENTS, TOPIC_OF_TYPE

SIGNED_UP = "billing.customer.signed_up.v1"
CHANGED = "billing.customer.changed.v1"
PAYMENT = "billing.payment.received.v1"
TICK = "billing.tick.v1"

CONFLICT = "The command id came before with other content; the first outcome stands."
WITHDRAWN = "It was parked, and a cancellation that names its command id withdrew it."
NOT_PERMITTED = "The policy does not give the actor a permission that the event needs."

_OVER_LIMIT = "`discount_percent` is above the actor's `max_discount_percent`."
_UNKNOWN_PRICE = (
    "A package or an extra has no price of its own, and the price list of the newest policy does "
    "not have its code."
)
_USERNAME_TAKEN = "Another customer has this `username`."
_YEAR_AHEAD = f"lies more than {AHEAD_DAYS_MAX} days past the business date, if there is one."
_TOO_MANY = f"It would make more than {BILLS_MAX} bills at once; skip rows do not count."
_UNKNOWN_PERIOD = "The customer has no period with this label."

OWN: dict[str, dict[Reason, str]] = {
    SIGNED_UP: {
        "over_limit": _OVER_LIMIT,
        "already_signed_up": "The customer exists already, under another `signup_id`.",
        "unknown_price": _UNKNOWN_PRICE,
        "username_taken": _USERNAME_TAKEN,
        "gap_too_large": f"`signed_up_at` {_YEAR_AHEAD}",
        "too_many_periods": _TOO_MANY,
    },
    CHANGED: {
        "over_limit": _OVER_LIMIT,
        "before_joining": "`effective_on` is before `joined_on`.",
        "unknown_price": _UNKNOWN_PRICE,
        "username_taken": _USERNAME_TAKEN,
        "gap_too_large": f"`changed_at` {_YEAR_AHEAD}",
        "too_many_periods": _TOO_MANY,
    },
    PAYMENT: {
        "reference_already_used": "Another payment that is not cancelled, of any customer, has the "
        "same method and reference, and not both say `shared`.",
    },
    "billing.discount.granted.v1": {
        "unknown_period": _UNKNOWN_PERIOD,
        "no_standing_bill": "The period has no bill, or its bill is cancelled.",
        "exceeds_bill": "`amount` is more than what the period is billed.",
        "over_limit": "Together with the actor's other discounts on this bill it is above the "
        "actor's `max_discount_percent`.",
    },
    "billing.adjustment.made.v1": {"unknown_period": _UNKNOWN_PERIOD},
    "billing.refund.made.v1": {
        "unknown_target": "The customer has no accepted payment with this `payment_id`.",
        "already_cancelled": "The payment is cancelled.",
        "exceeds_payment": "It is more than the payment less its refunds, or more than all money "
        "that came in less all refunds.",
        "exceeds_credit": "Without `payment_id`: it is more than the customer's credit, or more "
        "than all money that came in less all refunds.",
    },
    "billing.cancellation.requested.v1": {
        "unknown_target": "The customer has no accepted payment, discount, adjustment, refund, "
        "cancellation or bill with this command id.",
        "already_cancelled": "It is cancelled already; so is a discount whose bill was cancelled.",
        "has_refunds": "Money of the payment was refunded: cancel the refund first.",
        "superseded": "Undo: another bill stands in the period, or the discount's bill does not.",
        "over_limit": "Undo of a discount's cancellation: the discount is above the "
        "`max_discount_percent` of the one who granted it.",
        "reference_already_used": "Undo of a payment's cancellation: another payment has its "
        "reference now.",
        "exceeds_payment": "Undo of a refund's cancellation: the payment is cancelled or has too "
        "little left.",
        "exceeds_credit": "Undo of a refund's cancellation: the credit is too small now.",
        "not_cancellable": "It is an undo. Cancel the original anew instead.",
    },
    "billing.bill_up_to.set.v1": {
        "already_billed": "The customer is billed through `up_to` already.",
        "customer_left": "The customer has left, and no return is known.",
        "too_many_periods": f"`up_to` lies more than {AHEAD_MONTHS_MAX} months past what is "
        "billed.",
        "bill_cancelled": "The period that would grow has a cancelled bill: rebill it first.",
    },
    "billing.rebill.requested.v1": {
        "unknown_period": "The customer has no such period, or it is a skip row.",
        "already_billed": "The period's bill stands.",
    },
    TICK: {
        "outside_period": "`as_of` does not lie in `period`.",
        "gap_too_large": f"`as_of` lies more than {GAP_DAYS_MAX} days past the business date; for "
        "the first tick of all, past the day of its record's timestamp on Kafka. `allow_gap` lifts "
        "this.",
    },
}
"""Per type the reasons of its own, in the order in which they are judged."""


def reasons_of(event_type: str) -> dict[Reason, str]:
    """Return {reason: when} of an inbound type, in the order in which reasons are judged.

    `withdrawn` is last: it comes later than the event itself.
    """
    reasons: dict[Reason, str] = {"conflicting_duplicate": CONFLICT}
    if event_type not in (PAYMENT, TICK):
        reasons["not_permitted"] = NOT_PERMITTED
    reasons |= OWN[event_type]
    if event_type != TICK:
        reasons["withdrawn"] = WITHDRAWN
    return reasons


def waits_of(event_type: str) -> dict[Waiting, str]:
    """Return {reason: until when} for which an inbound type may be parked."""
    waits: dict[Waiting, str] = {}
    if event_type not in (SIGNED_UP, TICK):
        waits["not_signed_up"] = "until the customer has signed up"
    if TOPIC_OF_TYPE[event_type] == PAYMENTS:
        waits["no_period_yet"] = "until the customer has a first period"
    if event_type != TICK:
        waits["quarantined"] = "until a person releases the customer from quarantine"
    return waits
