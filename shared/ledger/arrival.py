"""A command as it came in, with all of its event that is kept."""

from datetime import date
from typing import Generic, NamedTuple, TypeVar

from shared.ledger.commands import Command, Ticked

C = TypeVar("C", bound=Command | Ticked)


class Arrival(NamedTuple, Generic[C]):
    """One event that came in: its type, its command, and its content as canonical JSON.

    Two arrivals with one command id are the same when type and content are equal. `ce_id` and
    `ce_source` name the event that brought the command; None where they were not kept. `sent_on` is
    the local date of its record's own timestamp, None where there is none or it was not kept.
    """

    type: str
    command: C
    content: str
    ce_id: str | None = None
    ce_source: str | None = None
    sent_on: date | None = None

    @property
    def command_id(self) -> str:
        return self.command.command_id

    @property
    def event(self) -> tuple[str, str, str | None, str | None]:
        """Type, content, ce_id and ce_source: all of an event that is kept."""
        return self.type, self.content, self.ce_id, self.ce_source
