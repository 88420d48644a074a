"""What every inbound event has in common."""

from typing import ClassVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from shared.ledger.commands import Command, Ticked
from shared.schemas.fields import ID_FORM, Id


class Part(BaseModel):
    """Strict: no number passes for a string, no string for a number."""

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)


class Event(Part):
    """One inbound event's data. `key_field` names the field that the record's key must equal."""

    type: ClassVar[str]
    key_field: ClassVar[str] = "customer_id"

    def command(self, zone: ZoneInfo) -> Command | Ticked:
        """Return the command, days taken in the business zone; ValueError names a field."""
        raise NotImplementedError

    def content(self) -> str:
        """Return the canonical JSON text: declared order, defaults written, null left out."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True).decode()


class CustomerEvent(Event):
    """An event about one customer."""

    customer_id: Id = Field(
        description=f"Id of the customer: {ID_FORM}. The record's key must be the same."
    )
