"""The events that go out (contract §7): their models, and the encoders that the relay uses.

Each encoder returns a whole message in binary mode with a `ce_id` made from the content: the
same event always encodes to the same bytes, however often it is sent.
"""

import json
from datetime import date, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from shared.ledger.line import Kind, Line
from shared.ledger.money import decimal
from shared.ledger.reasons import FirstOutcome, Reason
from shared.ledger.terms import Language, Status
from shared.schemas.envelope import Message, envelope, instant
from shared.schemas.topics import TOPIC_OF_TYPE

Money = Annotated[str, StringConstraints(pattern=r"^-?(0|[1-9][0-9]*)\.[0-9]{2}$")]
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Outbound(BaseModel):
    """One outbound event's data; every field is always written, absent ones as null."""

    model_config = ConfigDict(strict=True, extra="forbid")

    type: ClassVar[str]


class LineAppended(Outbound):
    """One committed ledger line, as `report.ledger` shows it; (customer_id, seq) is unique.

    The event's attribute `incarnation` rises when the book is restored from a backup. From a
    customer's first line of a higher incarnation on, lines of lower ones with that seq or a later
    one no longer count.
    """

    type: ClassVar[str] = "billing.ledger.line_appended.v1"

    customer_id: str
    seq: int
    period: str
    revision: int
    kind: Kind
    previous_due: Money
    charge: Money
    discount: Money
    vat: Money
    billed: Money
    paid: Money
    due: Money
    coverage_from: date
    coverage_to: date
    command_id: str
    reverses: str | None
    effective_on: date
    actor: str | None
    reason: str | None
    policy_version: int
    recorded_at: datetime
    hash: Hash


class CommandRefused(Outbound):
    """A command that was refused and changed nothing, and why.

    `customer_id` is null for a tick. With the reason `conflicting_duplicate` the command id came
    before with other content, and `first_outcome` stands. `event_id` and `event_source` name the
    event that brought the command, `said` is its data, and `sentence` explains to a person what
    happened and what to do.
    """

    type: ClassVar[str] = "billing.command.refused.v1"

    command_id: str
    customer_id: str | None
    command_type: str
    reason: Reason
    first_outcome: FirstOutcome | None
    first_reason: str | None
    event_id: str | None
    event_source: str | None
    sentence: str
    said: dict[str, Any]


class NotificationRequested(Outbound):
    """One text. A `notice_id` is sent once, even if it comes again with another `incarnation`."""

    type: ClassVar[str] = "billing.notification.requested.v1"

    notice_id: str
    customer_id: str
    phone: str
    language: Language
    kind: Literal["due", "receipt", "correction"]
    period: str
    amount: Money
    text: str
    segments: int


class EntitlementChanged(Outbound):
    """The first day on which a customer is no longer served, null for ever. Of two events, the one
    with the higher `incarnation` (an attribute of the event) counts; of equal ones, the higher
    `seq`."""

    type: ClassVar[str] = "billing.entitlement.changed.v1"

    customer_id: str
    expires_on: date | None
    status: Status
    seq: int


OUTBOUND_MODELS: dict[str, type[Outbound]] = {
    model.type: model
    for model in (LineAppended, CommandRefused, NotificationRequested, EntitlementChanged)
}


def line_appended(line: Line, incarnation: int) -> Message:
    """Encode a committed line; its `ce_id` is CUSTOMER/SEQ. The incarnation is that of the book
    in which the line was written.

    Formatted here without pydantic, because the relay sends every line and this is faster. Ids,
    labels and kinds need no escapes: their characters were checked when they came in.
    """
    customer_id = line.customer_id
    value = (
        f'{{"customer_id":"{customer_id}","seq":{line.seq},"period":"{line.period}"'
        f',"revision":{line.revision},"kind":"{line.kind}"'
        f',"previous_due":"{decimal(line.previous_due)}","charge":"{decimal(line.charge)}"'
        f',"discount":"{decimal(line.discount)}","vat":"{decimal(line.vat)}"'
        f',"billed":"{decimal(line.billed)}","paid":"{decimal(line.paid)}"'
        f',"due":"{decimal(line.due)}","coverage_from":"{line.coverage_from}"'
        f',"coverage_to":"{line.coverage_to}","command_id":"{line.command_id}"'
        f',"reverses":{_quoted(line.reverses)},"effective_on":"{line.effective_on}"'
        f',"actor":{_quoted(line.actor)},"reason":{_quoted(line.reason)}'
        f',"policy_version":{line.policy_version},"recorded_at":"{instant(line.recorded_at)}"'
        f',"hash":"{line.hash.hex()}"}}'
    )
    ce_id = f"{customer_id}/{line.seq}"
    return _message(LineAppended.type, customer_id, ce_id, value, line.recorded_at, incarnation)


def command_refused(
    refusal: CommandRefused, key: str, content: str, recorded_at: datetime
) -> Message:
    """Encode a refusal; the key is that of the refused event (customer, for a tick the period).

    The `ce_id` is refused/COMMAND_ID; for a conflicting duplicate it has a hash of `content` too,
    because one command id may come with several contents.
    """
    ce_id = f"refused/{refusal.command_id}"
    if refusal.first_outcome is not None:
        ce_id = f"{ce_id}/{sha256(content.encode()).hexdigest()[:16]}"
    return _message(refusal.type, key, ce_id, refusal.model_dump_json(), recorded_at)


def notification_requested(
    notice: NotificationRequested, created_at: datetime, incarnation: int
) -> Message:
    """Encode a notice; its `ce_id` is the notice_id."""
    value = notice.model_dump_json()
    key, ce_id = notice.customer_id, notice.notice_id
    return _message(notice.type, key, ce_id, value, created_at, incarnation)


def entitlement_changed(
    entitlement: EntitlementChanged, recorded_at: datetime, incarnation: int
) -> Message:
    """Encode an entitlement; its `ce_id` is entitlement/CUSTOMER/SEQ."""
    key, value = entitlement.customer_id, entitlement.model_dump_json()
    ce_id = f"entitlement/{key}/{entitlement.seq}"
    return _message(entitlement.type, key, ce_id, value, recorded_at, incarnation)


def _message(
    event_type: str,
    key: str,
    ce_id: str,
    value: str,
    time: datetime,
    incarnation: int | None = None,
) -> Message:
    headers = envelope(event_type, ce_id, time, incarnation)
    return Message(TOPIC_OF_TYPE[event_type], key.encode(), value.encode(), headers)


@lru_cache(maxsize=4096)
def _quoted(text: str | None) -> str:
    return json.dumps(text, ensure_ascii=False)
