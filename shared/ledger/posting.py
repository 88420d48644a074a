"""Why a line is appended, and what a command posted to a period."""

from datetime import date
from typing import NamedTuple

from shared.ledger.line import Line
from shared.ledger.references import Reference, reference_of


class By(NamedTuple):
    """Why a line is appended: the command, its day, the actor and their reason. `event_on` is the
    local date of the command's event, None where that is `effective_on`."""

    command_id: str
    effective_on: date
    actor: str | None = None
    reason: str | None = None
    reverses: str | None = None
    event_on: date | None = None

    @property
    def day(self) -> date:
        return self.effective_on if self.event_on is None else self.event_on


class Posting(NamedTuple):
    """A payment, discount, adjustment, refund or reversal, kept for later commands.

    `before` is the period as it was before `line`; the difference is what the command did.
    `payment` is the command id that a refund names, `method`, `reference` and `shared` those of a
    payment.
    """

    line: Line
    before: Line
    payment: str | None = None
    method: str | None = None
    reference: str | None = None
    shared: bool = False

    @property
    def paid(self) -> int:
        return self.line.paid - self.before.paid

    @property
    def gifts(self) -> int:
        """What it added to the granted discounts, in full and VAT included."""
        return self.line.gifts - self.before.gifts

    @property
    def gifts_vat(self) -> int:
        return self.line.gifts_vat - self.before.gifts_vat

    @property
    def key(self) -> Reference | None:
        """The reference of a payment as it is compared."""
        return reference_of(self.method, self.reference)
