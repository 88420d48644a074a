"""What is sold: packages and extras, as signups and changes name them."""

from typing import Annotated

from pydantic import AfterValidator, Field

from shared.ledger import terms
from shared.schemas.event import Part
from shared.schemas.fields import AMOUNT_FORM, ID_FORM, AmountFromZero, Text, minor_units

QUANTITY_MAX = 1000
CODE_OF = f"With an own price any text; a price list holds only codes of {ID_FORM}."


class Package(Part):
    """The package that a customer buys."""

    code: Annotated[Text, Field(description=f"The package's code, such as `home-10`. {CODE_OF}")]
    price: Annotated[
        AmountFromZero | None,
        Field(
            description=f"Own price for a full cycle, before VAT: {AMOUNT_FORM}, 0 or more. "
            "Default: that of the price list. "
            "Needs the permission `price` where the policy has a price list."
        ),
    ] = None

    def value(self) -> terms.Package:
        return terms.Package(self.code, _minor(self.price))


class Extra(Part):
    """What a customer buys beside the package."""

    code: Annotated[
        Text, Field(description=f"The extra's code, such as `static-ip`; each code once. {CODE_OF}")
    ]
    price: Annotated[
        AmountFromZero | None,
        Field(
            description=f"Own price of one for a full cycle, before VAT: {AMOUNT_FORM}, 0 or "
            "more. Default: that of the price list. "
            "Needs the permission `price` where the policy has a price list."
        ),
    ] = None
    quantity: Annotated[
        int | None,
        Field(ge=1, le=QUANTITY_MAX, description="How many, 1 to 1000. Default 1."),
        AfterValidator(lambda quantity: None if quantity == 1 else quantity),
    ] = None

    def value(self) -> terms.Extra:
        return terms.Extra(self.code, _minor(self.price), self.quantity or 1)


def _in_order(extras: list[Extra]) -> list[Extra]:
    """Order extras by code: they are the same in any order (docs/events.md)."""
    codes = [extra.code for extra in extras]
    twice = next((code for code in codes if codes.count(code) > 1), None)
    if twice is not None:
        raise ValueError(f"names {twice} twice")
    return sorted(extras, key=lambda extra: extra.code)


Extras = Annotated[list[Extra], AfterValidator(_in_order)]


def extras_value(extras: list[Extra] | None) -> terms.Extras:
    return tuple(extra.value() for extra in extras or ())


def _minor(price: str | None) -> int | None:
    return None if price is None else minor_units(price)


def left_out_if(default: object) -> AfterValidator:
    """Leave a field out of an event's content where it says its default, so that the contents of
    events from before the field was known stay the same (docs/events.md)."""
    return AfterValidator(lambda value: None if value == default else value)
