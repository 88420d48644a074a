"""Refusals in plain words: what happened, what it means, what to do next.

Programs compare the reasons themselves (`reasons.py`); these sentences are for people.
"""

WHY: dict[str, str] = {
    "already_billed": "the period, or the days asked for, are billed already",
    "already_cancelled": "it was cancelled before, and the first cancellation stands",
    "already_signed_up": "this customer exists already, under another signup id."
    " To alter their terms send a change",
    "before_joining": "the change takes effect before the customer joined",
    "bill_cancelled": "the last period's bill is cancelled, so it cannot grow. Rebill it first",
    "conflicting_duplicate": "this id came before with other content, and the first one stands."
    " If this is another command, send it again under an id of its own",
    "customer_left": "the customer has left. Make them active again first",
    "exceeds_bill": "the discount is more than the bill",
    "exceeds_credit": "it is more than the credit that the customer has",
    "exceeds_payment": "it is more than what is left of the money that came in",
    "gap_too_large": "the date lies too far past the business date, which may be a slip of the"
    " finger. If the date is right, let a tick move the business date first (--allow-gap)",
    "has_refunds": "money of this payment was refunded. Cancel the refund first",
    "no_standing_bill": "no bill stands in that period",
    "not_cancellable": "an undo cannot be undone. Cancel the original anew instead",
    "not_permitted": "the policy does not permit this to the actor."
    " Let somebody do it who may, or apply a policy that permits it",
    "outside_period": "the date does not lie in the period that the tick names",
    "over_limit": "it is more than the actor may grant (max_discount_percent of the policy)",
    "reference_already_used": "another payment that counts holds the same method and reference."
    " If both payments are real, send this one with its own reference",
    "superseded": "another bill has taken the place of the one that this would bring back",
    "too_many_periods": "it would bill more than 36 months at once. Look at the dates",
    "unknown_period": "the customer has no such period",
    "unknown_price": "it names a package or an extra without a price, and the price list has none"
    " for that code. Look at the code, or add a [[price]] to the policy",
    "unknown_target": "the customer has no accepted command of the id that it names",
    "username_taken": "another customer goes by that username. Choose another one, or change"
    " theirs first",
    "withdrawn": "it waited for its customer, and a cancellation withdrew it",
}


def counted(count: int, one: str) -> str:
    """Return a count with its noun: 1 customer, 2,000 customers."""
    return f"{count:,} {one}" + "s" * (count != 1)


def sentence(reason: str, command_id: str, customer_id: str | None) -> str:
    """Say why a command was refused, such as: "Refused: payment/p-1 of karim: ..."."""
    whose = command_id if customer_id is None else f"{command_id} of {customer_id}"
    why = WHY.get(reason, reason.replace("_", " "))
    return f"Refused: {whose}: {why}. Nothing was changed."
