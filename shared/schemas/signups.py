"""The events of billing.signups.v1: who the customers are, and on what terms."""

from datetime import date
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from shared.ledger import commands, terms
from shared.ledger.money import parts_per_million
from shared.ledger.terms import Language, Mode, Status
from shared.schemas.event import CustomerEvent, Part
from shared.schemas.extras import Extras, Package, extras_value, left_out_if
from shared.schemas.fields import (
    Amount,
    Day,
    Email,
    Id,
    Instant,
    Percent,
    Phone,
    Text,
    Username,
    local_day,
    minor_units,
    null_is,
)


class StartOfMonth(Part):
    kind: Literal["start_of_month"]


class Anniversary(Part):
    kind: Literal["anniversary"]


class Custom(Part):
    kind: Literal["custom"]
    day: Annotated[int, Field(ge=1, le=31)]


# A `day` beside another kind than custom is an unknown field: ignored.
Cycle = Annotated[StartOfMonth | Anniversary | Custom, Field(discriminator="kind")]


def cycle_value(cycle: StartOfMonth | Anniversary | Custom, joined_day: int) -> terms.Cycle:
    """Return the cycle with its anchor day; `joined_day` is that of `joined_on`, 0 if unknown."""
    if isinstance(cycle, Custom):
        return terms.Cycle(cycle.kind, cycle.day)
    return terms.Cycle(cycle.kind, 1 if isinstance(cycle, StartOfMonth) else joined_day)


class SignedUp(CustomerEvent):
    type: ClassVar[str] = "billing.customer.signed_up.v1"

    signup_id: Id | None = None
    signed_up_at: Instant
    joined_on: Day
    name: Text
    phone: Phone
    language: Annotated[Language, null_is("en", Language)] = "en"
    package: Package
    cycle: Cycle
    mode: Annotated[Mode, null_is("cumulative", Mode)] = "cumulative"
    vip: Annotated[bool, null_is(False, bool)] = False
    discount_percent: Annotated[Percent, null_is("0", Percent)] = "0"
    vat_exempt: Annotated[bool, null_is(False, bool)] = False
    bill_from: Day | None = None
    opening_due: Annotated[Amount, null_is("0.00", Amount)] = "0.00"
    actor: Text | None = None
    extras: Annotated[Extras | None, left_out_if([])] = None
    username: Username | None = None
    texting: Annotated[bool | None, left_out_if(True)] = None
    silent: Annotated[bool | None, left_out_if(False)] = None
    address: Text | None = None
    email: Email | None = None
    tax_id: Text | None = None

    @model_validator(mode="after")
    def take_defaults_from_the_customer(self) -> "SignedUp":
        self.signup_id = self.signup_id or self.customer_id
        self.bill_from = self.bill_from or self.joined_on
        if self.bill_from < self.joined_on:
            raise ValueError("bill_from: must not be before joined_on")
        if self.username == self.customer_id:
            self.username = None
        return self

    def command(self, zone: ZoneInfo) -> commands.SignedUp:
        joined_on = date.fromisoformat(self.joined_on)
        return commands.SignedUp(
            command_id=f"signup/{self.signup_id}",
            customer_id=self.customer_id,
            signed_up_on=local_day("signed_up_at", self.signed_up_at, zone),
            joined_on=joined_on,
            bill_from=date.fromisoformat(self.bill_from or self.joined_on),
            name=self.name,
            phone=self.phone,
            language=self.language,
            package=self.package.value(),
            cycle=cycle_value(self.cycle, joined_on.day),
            mode=self.mode,
            vip=self.vip,
            discount_ppm=parts_per_million(self.discount_percent),
            vat_exempt=self.vat_exempt,
            opening_due=minor_units(self.opening_due),
            actor=self.actor,
            username=self.username or self.customer_id,
            extras=extras_value(self.extras),
            texting=self.texting is None,
            silent=self.silent is not None,
            address=self.address,
            email=self.email,
            tax_id=self.tax_id,
        )


class Changed(CustomerEvent):
    """A change of terms. One that names no term is allowed: it only bills what is due."""

    type: ClassVar[str] = "billing.customer.changed.v1"

    change_id: Id
    effective_on: Day
    changed_at: Instant
    actor: Text | None = None
    prorate: bool | None = None
    package: Package | None = None
    status: Status | None = None
    cycle: Cycle | None = None
    mode: Mode | None = None
    vip: bool | None = None
    discount_percent: Percent | None = None
    vat_exempt: bool | None = None
    phone: Phone | None = None
    language: Language | None = None
    name: Text | None = None
    extras: Extras | None = None
    until: Day | None = None
    username: Username | None = None
    texting: bool | None = None
    address: Text | None = None
    email: Email | None = None
    tax_id: Text | None = None
    grace_until: Day | None = None

    @model_validator(mode="after")
    def check_the_end(self) -> "Changed":
        if self.until is not None and self.until <= self.effective_on:
            raise ValueError("until: must be after effective_on")
        return self

    def command(self, zone: ZoneInfo) -> commands.Changed:
        """Return the command. An anniversary cycle has day 0; the rules take `joined_on`."""
        percentage = self.discount_percent
        return commands.Changed(
            command_id=f"change/{self.change_id}",
            customer_id=self.customer_id,
            effective_on=date.fromisoformat(self.effective_on),
            changed_on=local_day("changed_at", self.changed_at, zone),
            actor=self.actor,
            prorate=self.prorate,
            package=self.package.value() if self.package else None,
            status=self.status,
            cycle=cycle_value(self.cycle, 0) if self.cycle else None,
            mode=self.mode,
            vip=self.vip,
            discount_ppm=None if percentage is None else parts_per_million(percentage),
            vat_exempt=self.vat_exempt,
            phone=self.phone,
            language=self.language,
            name=self.name,
            extras=None if self.extras is None else extras_value(self.extras),
            until=_day(self.until),
            username=self.username,
            texting=self.texting,
            address=self.address,
            email=self.email,
            tax_id=self.tax_id,
            grace_until=_day(self.grace_until),
        )


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
