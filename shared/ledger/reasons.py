"""What can become of a command, and why: words that programs compare (docs/rules.md#reasons).

`sentences.py` explains each reason to people.
"""

from typing import Literal

FirstOutcome = Literal["accepted", "refused", "parked"]
"""What became of a command when it first came."""
Outcome = FirstOutcome | Literal["duplicate", "conflict"]

Reason = Literal[
    "already_billed",
    "already_cancelled",
    "already_signed_up",
    "before_joining",
    "bill_cancelled",
    "conflicting_duplicate",
    "customer_left",
    "exceeds_bill",
    "exceeds_credit",
    "exceeds_payment",
    "gap_too_large",
    "has_refunds",
    "no_standing_bill",
    "not_cancellable",
    "not_permitted",
    "outside_period",
    "over_limit",
    "reference_already_used",
    "superseded",
    "too_many_periods",
    "unknown_period",
    "unknown_price",
    "unknown_target",
    "username_taken",
    "withdrawn",
]
"""Why a command is refused; the same command is not judged again."""

Waiting = Literal["not_signed_up", "no_period_yet", "quarantined"]
"""Why a command is parked: kept, and judged again once that has changed."""
