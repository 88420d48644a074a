"""Why a line is appended, and what a command posted to a period."""

from datetime import date
from typing import NamedTuple

from shared.ledger.line import Line


class By(NamedTuple):
    """Why a line is appended: the command, its day, who and his reason."""

    command_id: str
    effective_on: date
    actor: str | None = None
    reason: str | None = None
    reverses: str | None = None


class Posting(NamedTuple):
    """A payment, discount, adjustment, refund or reversal, as a later command finds it.

    `before` is the period as it was; what the command did is the difference. `payment` is
    the command id that a refund names, `method` and `reference` those of a payment.
    """

    line: Line
    before: Line
    payment: str | None = None
    method: str | None = None
    reference: str | None = None

    @property
    def paid(self) -> int:
        return self.line.paid - self.before.paid
