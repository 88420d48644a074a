"""The event of billing.ticks.v1: the business date moves on."""

from datetime import date
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from shared.ledger.commands import Ticked
from shared.schemas.event import Event
from shared.schemas.fields import DAY_FORM, ID_FORM, LABEL_FORM, Day, Id, Label, null_is


class Tick(Event):
    """The business date moves on to `as_of`, and what is due by then is billed."""

    type: ClassVar[str] = "billing.tick.v1"
    key_field: ClassVar[str] = "period"

    tick_id: Id = Field(description=f"Id of the tick: {ID_FORM}.")
    period: Label = Field(
        description=f"The month of as_of, {LABEL_FORM}. The record's key must be the same."
    )
    as_of: Day = Field(description=f"The new business date: {DAY_FORM}.")
    trigger: Literal["nightly", "manual", "sweep"] = Field(
        description="What sends the tick: `nightly`, `manual` or `sweep`."
    )
    allow_gap: Annotated[bool, null_is(False, bool)] = Field(
        default=False,
        description="Whether as_of may lie more than 45 days past the business date. "
        "Default false.",
    )

    def command(self, zone: ZoneInfo) -> Ticked:
        return Ticked(
            command_id=f"tick/{self.tick_id}",
            tick_id=self.tick_id,
            period=self.period,
            as_of=date.fromisoformat(self.as_of),
            trigger=self.trigger,
            allow_gap=self.allow_gap,
        )
