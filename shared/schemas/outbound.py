"""The events that go out (docs/topics.md): their models, and the encoders that the relay uses.

Each encoder returns a whole message in binary mode with a `ce_id` made from the content: the
same event always encodes to the same bytes, however often it is sent.
"""

import json
from datetime import date, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.ledger.line import Kind, Line
from shared.ledger.money import decimal
from shared.ledger.reasons import FirstOutcome, Reason
from shared.ledger.terms import Language, Shown
from shared.schemas.envelope import Message, envelope, instant
from shared.schemas.topics import TOPIC_OF_TYPE

MONEY = r"^-?(0|[1-9][0-9]*)\.[0-9]{2}$"
HASH = r"^[0-9a-f]{64}$"
Money = Annotated[str, StringConstraints(pattern=MONEY)]
MONEY_FORM = 'a string with two decimals such as "1000.00"'
Hash = Annotated[str, StringConstraints(pattern=HASH)]


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

    customer_id: str = Field(description="Id of the customer.")
    seq: int = Field(description="Number of the line among the customer's: 1, 2, 3, without gap.")
    period: str = Field(description="Label of the period, YYYY-MM.")
    revision: int = Field(
        description="Number of the line among the period's: 0, 1, 2, without gap."
    )
    kind: Kind = Field(description="What made the line.")
    previous_due: Money = Field(
        description=f"What was due at the end of the period before: {MONEY_FORM}."
    )
    charge: Money = Field(
        description=f"The period's charge, adjustments included, before VAT: {MONEY_FORM}."
    )
    discount: Money = Field(description=f"The period's discount before VAT: {MONEY_FORM}.")
    vat: Money = Field(description=f"The period's VAT: {MONEY_FORM}.")
    billed: Money = Field(description=f"charge - discount + vat: {MONEY_FORM}.")
    paid: Money = Field(description=f"Payments less refunds of the period: {MONEY_FORM}.")
    due: Money = Field(description=f"previous_due + billed - paid: {MONEY_FORM}.")
    coverage_from: date = Field(description="First day that the period covers: YYYY-MM-DD.")
    coverage_to: date = Field(description="First day that the period no longer covers: YYYY-MM-DD.")
    command_id: str = Field(description="Command id of what made the line, such as `payment/p-1`.")
    reverses: str | None = Field(
        description="Command id of what a reversal takes back; null for other kinds."
    )
    effective_on: date = Field(description="Day from which the line counts: YYYY-MM-DD.")
    actor: str | None = Field(description="Who asked for it; null where nobody is named.")
    reason: str | None = Field(description="Why, in words for people; null where none was given.")
    policy_version: int = Field(
        description="Number of the policy version that the line used; 0 for none."
    )
    recorded_at: datetime = Field(description="When the line was written: RFC 3339 in UTC.")
    hash: Hash = Field(
        description="SHA-256 of the line and of the hash before it: 64 hexadecimal digits."
    )


class CommandRefused(Outbound):
    """A command that was refused and changed nothing, and why.

    `customer_id` is null for a tick. With the reason `conflicting_duplicate` the command id came
    before with other content, and `first_outcome` stands. `event_id` and `event_source` name the
    event that brought the command, `said` is its data, and `sentence` explains to a person what
    happened and what to do.
    """

    type: ClassVar[str] = "billing.command.refused.v1"

    command_id: str = Field(description="Id of the refused command, such as `payment/p-1`.")
    customer_id: str | None = Field(description="Id of the customer; null for a tick.")
    command_type: str = Field(description="Type of the event that brought the command.")
    reason: Reason = Field(description="Why it was refused, as a word for programs.")
    first_outcome: FirstOutcome | None = Field(
        description="What became of the first command of a `conflicting_duplicate`; otherwise null."
    )
    first_reason: str | None = Field(
        description="Why that first command was refused or parked; null where it was neither."
    )
    event_id: str | None = Field(description="ce_id of the event that brought the command.")
    event_source: str | None = Field(description="ce_source of the event that brought the command.")
    sentence: str = Field(description="What happened and what to do, in English for people.")
    said: dict[str, Any] = Field(description="Data of the event, in canonical form.")


class NotificationRequested(Outbound):
    """One text. A `notice_id` is sent once, even if it comes again with another `incarnation`."""

    type: ClassVar[str] = "billing.notification.requested.v1"

    notice_id: str = Field(description="Id of the text; each is sent once.")
    customer_id: str = Field(description="Id of the customer.")
    phone: str = Field(description="Phone number that the text goes to, E.164.")
    language: Language = Field(description="Language of the text: `en` English or `bn` Bangla.")
    kind: Literal["due", "receipt", "refund", "correction"] = Field(
        description="What the text is about."
    )
    period: str = Field(description="Label of the period that it is about, YYYY-MM.")
    amount: Money = Field(description=f"What the text asks for, or what was paid: {MONEY_FORM}.")
    text: str = Field(description="The text to send.")
    segments: int = Field(description="Number of SMS that the text takes.")


class EntitlementChanged(Outbound):
    """The first day on which a customer is no longer served, null for ever. Of two events, the one
    with the higher `incarnation` (an attribute of the event) counts; of equal ones, the higher
    `seq`."""

    type: ClassVar[str] = "billing.entitlement.changed.v1"

    customer_id: str = Field(description="Id of the customer.")
    expires_on: date | None = Field(
        description="First day without service: YYYY-MM-DD; null for no such day, as for VIPs."
    )
    status: Shown = Field(
        description="The customer's status; `pending` is active with no period made yet."
    )
    seq: int = Field(description="Rises with each change of the customer's; a higher one counts.")
    username: str = Field(description="The customer's name in other systems, such as RADIUS.")
    package: str = Field(description="Code of the customer's package.")


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
