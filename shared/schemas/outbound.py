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
from shared.ledger.terms import Language, Shown
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
    kind: Literal["due", "receipt", "refund", "correction"]
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
    status: Shown
    seq: int
    username: str
    package: str


OUTBOUND_MODELS: dict[str, type[Outbound]] = {
    model.type: model
    for model in (LineAppended, CommandRefused, NotificationRequested, EntitlementChanged)
}


def line_appended(line: Line, incarnation: int) -> Message:
    """Encode a committed line; its `ce_id` is CUSTOMER/SEQ. The incarnation is that of the book
    in which the line was written.

    Formatted here without pydantic, as notices and entitlements are, because the relay sends every
    one and this is faster. Ids, labels and kinds need no escapes: their characters were checked
    when they came in.
    """
    customer_id = line.customer_id
    value = (
        f'{{"customer_id":"{customer_id}","seq":{line.seq},"period":"{line.period}"'
        f',"revision":{line.revision},"kind":"{line.kind}"'
        f',"previous_due":"{_money(line.previous_due)}","charge":"{_money(line.charge)}"'
        f',"discount":"{_money(line.discount)}","vat":"{_money(line.vat)}"'
        f',"billed":"{_money(line.billed)}","paid":"{_money(line.paid)}"'
        f',"due":"{_money(line.due)}","coverage_from":"{_day(line.coverage_from)}"'
        f',"coverage_to":"{_day(line.coverage_to)}","command_id":"{line.command_id}"'
        f',"reverses":{_quoted(line.reverses)},"effective_on":"{_day(line.effective_on)}"'
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
    notice_id: str,
    customer_id: str,
    phone: str,
    language: str,
    kind: str,
    period: str,
    amount: int,
    text: str,
    segments: int,
    *,
    requested_at: datetime,
    incarnation: int,
) -> Message:
    """Encode a notice, its amount in minor units; its `ce_id` is the notice_id."""
    value = (
        f'{{"notice_id":"{notice_id}","customer_id":"{customer_id}","phone":{_quoted(phone)}'
        f',"language":{_quoted(language)},"kind":"{kind}","period":"{period}"'
        f',"amount":"{_money(amount)}","text":{_written(text)},"segments":{segments}}}'
    )
    kind_of = NotificationRequested.type
    return _message(kind_of, customer_id, notice_id, value, requested_at, incarnation)


def entitlement_changed(
    customer_id: str,
    expires_on: date | None,
    status: str,
    seq: int,
    username: str,
    package: str,
    *,
    changed_at: datetime,
    incarnation: int,
) -> Message:
    """Encode an entitlement; its `ce_id` is entitlement/CUSTOMER/SEQ."""
    until = "null" if expires_on is None else f'"{_day(expires_on)}"'
    value = (
        f'{{"customer_id":"{customer_id}","expires_on":{until},"status":{_quoted(status)}'
        f',"seq":{seq},"username":{_quoted(username)},"package":{_quoted(package)}}}'
    )
    ce_id = f"entitlement/{customer_id}/{seq}"
    kind_of = EntitlementChanged.type
    return _message(kind_of, customer_id, ce_id, value, changed_at, incarnation)


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


# A run's lines share their days and most of their amounts.
_day = lru_cache(maxsize=1024)(date.isoformat)
_money = lru_cache(maxsize=16_384)(decimal)
_written = json.encoder.encode_basestring
