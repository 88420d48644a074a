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
    AMOUNT_FORM,
    DAY_FORM,
    ID_FORM,
    INSTANT_FORM,
    PERCENT_FORM,
    TEXT_FORM,
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

USERNAME_FORM = "1 to 64 characters without spaces, of no other customer"
ADDRESS_OF = f"Postal address of the customer, {TEXT_FORM}."
EMAIL_OF = f"Email address of the customer, with one @ and without spaces, {TEXT_FORM}."
TAX_ID_OF = f"Tax number of the customer, {TEXT_FORM}."


class StartOfMonth(Part):
    """Months begin on day 1."""

    kind: Literal["start_of_month"] = Field(description="Always `start_of_month`.")


class Anniversary(Part):
    """Months begin on the day of `joined_on`."""

    kind: Literal["anniversary"] = Field(description="Always `anniversary`.")


class Custom(Part):
    """Months begin on a day of choice."""

    kind: Literal["custom"] = Field(description="Always `custom`.")
    day: Annotated[int, Field(ge=1, le=31)] = Field(
        description="Day of the month, 1 to 31; in shorter months the last day counts."
    )


# A `day` beside another kind than custom is an unknown field: ignored.
Cycle = Annotated[StartOfMonth | Anniversary | Custom, Field(discriminator="kind")]


def cycle_value(cycle: StartOfMonth | Anniversary | Custom, joined_day: int) -> terms.Cycle:
    """Return the cycle with its anchor day; `joined_day` is that of `joined_on`, 0 if unknown."""
    if isinstance(cycle, Custom):
        return terms.Cycle(cycle.kind, cycle.day)
    return terms.Cycle(cycle.kind, 1 if isinstance(cycle, StartOfMonth) else joined_day)


class SignedUp(CustomerEvent):
    """A new customer and their terms. Their periods that are due are billed at once."""

    type: ClassVar[str] = "billing.customer.signed_up.v1"

    signup_id: Id | None = Field(
        default=None, description=f"Id of the signup: {ID_FORM}. Default: the customer_id."
    )
    signed_up_at: Instant = Field(description=f"When the customer signed up: {INSTANT_FORM}.")
    joined_on: Day = Field(description=f"First day of service: {DAY_FORM}.")
    name: Text = Field(description=f"Name of the customer, {TEXT_FORM}.")
    phone: Phone = Field(description="Phone number for texts, E.164 such as +8801711000001.")
    language: Annotated[Language, null_is("en", Language)] = Field(
        default="en", description="Language of texts: `en` English (the default) or `bn` Bangla."
    )
    package: Package = Field(description="The package that the customer buys.")
    cycle: Cycle = Field(description="On which day of the month the customer's months begin.")
    mode: Annotated[Mode, null_is("cumulative", Mode)] = Field(
        default="cumulative",
        description="How bills are read: `cumulative` (one running amount, the default) or "
        "`monthly` (an invoice a month).",
    )
    vip: Annotated[bool, null_is(False, bool)] = Field(
        default=False,
        description="Whether service never expires. Default false; true needs the permission "
        "`vip`.",
    )
    discount_percent: Annotated[Percent, null_is("0", Percent)] = Field(
        default="0",
        description=f"Discount on every bill: {PERCENT_FORM}. Default 0; above 0 needs the "
        "permission `discount`.",
    )
    vat_exempt: Annotated[bool, null_is(False, bool)] = Field(
        default=False,
        description="Whether bills are free of VAT. Default false; true needs the permission "
        "`vat_exempt`.",
    )
    bill_from: Day | None = Field(
        default=None,
        description=f"First day that is billed: {DAY_FORM}, not before joined_on. "
        "Default: joined_on.",
    )
    opening_due: Annotated[Amount, null_is("0.00", Amount)] = Field(
        default="0.00",
        description=f"What the customer owes from before, {AMOUNT_FORM}; below 0 is a credit, "
        "which needs the permission `adjust`. Default 0.00.",
    )
    actor: Text | None = Field(
        default=None,
        description="Staff id of who signed the customer up, for terms that need a permission.",
    )
    extras: Annotated[Extras | None, left_out_if([])] = Field(
        default=None,
        description="What the customer buys beside the package, each code once, in any order. "
        "Default: none.",
    )
    username: Username | None = Field(
        default=None,
        description=f"The customer's name in other systems: {USERNAME_FORM}. "
        "Default: the customer_id.",
    )
    texting: Annotated[bool | None, left_out_if(True)] = Field(
        default=None, description="Whether the customer gets texts. Default true."
    )
    silent: Annotated[bool | None, left_out_if(False)] = Field(
        default=None,
        description="Whether the signup sends no texts about the bills that it makes. "
        "Default false.",
    )
    address: Text | None = Field(default=None, description=ADDRESS_OF)
    email: Email | None = Field(default=None, description=EMAIL_OF)
    tax_id: Text | None = Field(default=None, description=TAX_ID_OF)

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

    change_id: Id = Field(description=f"Id of the change: {ID_FORM}.")
    effective_on: Day = Field(
        description=f"First day on which the change counts: {DAY_FORM}, not before joined_on."
    )
    changed_at: Instant = Field(description=f"When the change was asked for: {INSTANT_FORM}.")
    actor: Text | None = Field(
        default=None,
        description="Staff id of who asked for the change, for terms that need a permission.",
    )
    prorate: bool | None = Field(
        default=None,
        description="Whether package, extras and status count within periods already billed. "
        "Left out: true, but false for the statuses `suspended` and `left`.",
    )
    package: Package | None = Field(default=None, description="The new package.")
    status: Status | None = Field(
        default=None,
        description="The new status: `active`, `suspended` (no charge for now) or `left`.",
    )
    cycle: Cycle | None = Field(
        default=None, description="The new day of the month on which months begin."
    )
    mode: Mode | None = Field(
        default=None,
        description="How bills are read: `cumulative` (one running amount) or `monthly` "
        "(an invoice a month).",
    )
    vip: bool | None = Field(
        default=None, description="Whether service never expires; true needs the permission `vip`."
    )
    discount_percent: Percent | None = Field(
        default=None,
        description=f"The new discount on every bill: {PERCENT_FORM}; above 0 needs the "
        "permission `discount`.",
    )
    vat_exempt: bool | None = Field(
        default=None,
        description="Whether bills are free of VAT; true needs the permission `vat_exempt`.",
    )
    phone: Phone | None = Field(
        default=None, description="The new phone number, E.164 such as +8801711000001."
    )
    language: Language | None = Field(
        default=None, description="Language of texts: `en` English or `bn` Bangla."
    )
    name: Text | None = Field(default=None, description=f"The new name, {TEXT_FORM}.")
    extras: Extras | None = Field(
        default=None,
        description="The whole new list of extras, each code once, in any order. "
        "An empty list takes all extras away.",
    )
    until: Day | None = Field(
        default=None,
        description=f"First day on which what was known before counts again: {DAY_FORM}, after "
        "effective_on. Left out: the change has no end. username and grace_until ignore it.",
    )
    username: Username | None = Field(
        default=None,
        description=f"The new name in other systems: {USERNAME_FORM}. It counts at once.",
    )
    texting: bool | None = Field(default=None, description="Whether the customer gets texts.")
    address: Text | None = Field(default=None, description=ADDRESS_OF)
    email: Email | None = Field(default=None, description=EMAIL_OF)
    tax_id: Text | None = Field(default=None, description=TAX_ID_OF)
    grace_until: Day | None = Field(
        default=None,
        description=f"Service expires no earlier than this day: {DAY_FORM}. It counts at once. "
        "Needs the permission `grace`.",
    )

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
