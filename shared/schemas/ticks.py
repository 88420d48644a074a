"""The event of billing.ticks.v1: the business date moves on."""

from datetime import date
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo

from shared.ledger.commands import Ticked
from shared.schemas.event import Event
from shared.schemas.fields import Day, Id, Label, null_is


class Tick(Event):
    type: ClassVar[str] = "billing.tick.v1"
    key_field: ClassVar[str] = "period"

    tick_id: Id
    period: Label
    as_of: Day
    trigger: Literal["nightly", "manual", "sweep"]
    allow_gap: Annotated[bool, null_is(False, bool)] = False

    def command(self, zone: ZoneInfo) -> Ticked:
        return Ticked(
            command_id=f"tick/{self.tick_id}",
            tick_id=self.tick_id,
            period=self.period,
            as_of=date.fromisoformat(self.as_of),
            trigger=self.trigger,
            allow_gap=self.allow_gap,
        )
