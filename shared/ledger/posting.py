"""Why a line is appended, and what a command posted to a period."""

from datetime import date
from typing import NamedTuple

from shared.ledger.line import Line


class By(NamedTuple):
    """Why a line is appended: the command, its day, the actor and their reason."""

    command_id: str
    effective_on: date
    actor: str | None = None
    reason: str | None = None
    reverses: str | None = None


class Posting(NamedTuple):
    """A payment, discount, adjustment, refund or reversal, kept for later commands.

    `before` is the period as it was before `line`; the difference is what the command did.
    `payment` is the command id that a refund names, `method` and `reference` those of a payment.
    """

    line: Line
    before: Line
    payment: str | None = None
    method: str | None = None
    reference: str | None = None

    @property
    def paid(self) -> int:
        return self.line.paid - self.before.paid
