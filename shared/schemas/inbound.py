"""The events that come in (docs/events.md), each type with its strict model.

A model holds the canonical text of each field, so its JSON is the event's content: equal
exactly when two events are the same. `command` turns it into the value that the rules take.
Null and left out are the same; unknown fields are dropped; of a key given twice the last
counts.
"""

from zoneinfo import ZoneInfo

from pydantic import ValidationError

from shared.ledger.commands import Command, Ticked
from shared.schemas.event import Event
from shared.schemas.malformed import Malformed, why
from shared.schemas.payments import (
    AdjustmentMade,
    BillUpToSet,
    CancellationRequested,
    DiscountGranted,
    PaymentReceived,
    RebillRequested,
    RefundMade,
)
from shared.schemas.signups import Changed, SignedUp
from shared.schemas.ticks import Tick

_ALL: tuple[type[Event], ...] = (
    SignedUp,
    Changed,
    PaymentReceived,
    DiscountGranted,
    AdjustmentMade,
    RefundMade,
    CancellationRequested,
    BillUpToSet,
    RebillRequested,
    Tick,
)

MODELS: dict[str, type[Event]] = {model.type: model for model in _ALL}
"""The model of each inbound type."""


def command_of(event_type: str, content: str, zone: ZoneInfo) -> Command | Ticked:
    """Return the command of a canonical content, as kept for parked events and the audit.

    Contents are events like any other, so this reads them as `decode` does and gives the
    same command. KeyError for a type that does not come in; Malformed when not a content.
    """
    model = MODELS[event_type]
    try:
        return model.__pydantic_validator__.validate_json(content).command(zone)  # type: ignore[no-any-return]
    except ValidationError as error:
        raise Malformed(why(error)) from error
    except ValueError as error:
        raise Malformed(str(error)) from error
