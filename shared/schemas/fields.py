"""The fields of inbound events: what each accepts, and its canonical text.

A field is read into its canonical text ("10.0" becomes "10.00", every instant is in UTC),
so that two events are the same exactly when their texts are equal (docs/events.md). Pydantic
checks the patterns; a function checks what a pattern cannot express.
"""

import re
import unicodedata
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from shared.ledger.money import PPM, decimal, minor, parts_per_million, percent

ID = r"^[A-Za-z0-9._:-]{1,64}$"
TEXT = r"^[^\x00]*$"
TEXT_CHARACTERS_MAX = 500
PHONE = r"^\+[1-9][0-9]{1,14}$"
AMOUNT = r"^-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,2})?$"
PERCENT = r"^(0|[1-9][0-9]{0,2})(\.[0-9]{1,4})?$"
DAY = r"^2[01][0-9]{2}-[0-9]{2}-[0-9]{2}$"
LABEL = r"^2[01][0-9]{2}-(0[1-9]|1[0-2])$"
USERNAME = r"^[^\s\x00-\x1f\x7f-\x9f]{1,64}$"
EMAIL = r"^[^\s\x00@]+@[^\s\x00@]+$"
INSTANT = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)

WORDS_OF_PATTERN = {
    ID: "must be 1 to 64 of A-Z a-z 0-9 . _ : -",
    TEXT: "holds the character U+0000",
    PHONE: "must be an E.164 number such as +8801711000001",
    AMOUNT: 'must be a string such as "1000.00", at most two decimals and 9999999999.99',
    PERCENT: 'must be a string such as "12.5", at most four decimals',
    DAY: "must be a date YYYY-MM-DD from 2000-01-01 to 2199-12-31",
    LABEL: "must be a month YYYY-MM from 2000-01 to 2199-12",
    USERNAME: "must be 1 to 64 characters without spaces or control characters",
    EMAIL: "must be an address such as rahim@example.com",
    INSTANT: "must be an RFC 3339 timestamp with an offset, such as 2026-01-17T10:00:00+06:00",
}

ID_FORM = "1 to 64 of A-Z a-z 0-9 . _ : -"
TEXT_FORM = f"up to {TEXT_CHARACTERS_MAX} characters"
AMOUNT_FORM = 'a string such as "1000.00"'
PERCENT_FORM = 'a string from "0" to "100", at most four decimals'
DAY_FORM = "YYYY-MM-DD"
LABEL_FORM = "YYYY-MM"
INSTANT_FORM = "RFC 3339 with an offset"
"""The forms of values, for the descriptions of fields."""

HIDDEN = re.compile(
    "[\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Characters that are not seen: those that Unicode says to ignore in display, format characters. A
list of its own, so that every version of Python judges an event alike."""

FIRST_DAY = date(2000, 1, 1)
LAST_DAY = date(2199, 12, 31)


def _amount(text: str) -> str:
    # Most amounts come with two decimals: then the text is canonical already.
    return text if text[-3:-2] == "." and text != "-0.00" else decimal(minor(text))


def _amount_above_zero(text: str) -> str:
    amount = _amount(text)
    if amount[0] == "-" or amount == "0.00":
        raise ValueError("must be above 0")
    return amount


def _amount_from_zero(text: str) -> str:
    amount = _amount(text)
    if amount[0] == "-":
        raise ValueError("must not be below 0")
    return amount


def _amount_not_zero(text: str) -> str:
    amount = _amount(text)
    if amount == "0.00":
        raise ValueError("must not be 0")
    return amount


def _percent(text: str) -> str:
    ppm = parts_per_million(text)
    if ppm > PPM:
        raise ValueError("must be from 0 to 100")
    return percent(ppm)


def _username(text: str) -> str:
    if text.isascii():
        return text
    if hidden := HIDDEN.search(text):
        raise ValueError(f"holds U+{ord(hidden[0]):04X}, a character that nobody sees")
    if not unicodedata.is_normalized("NFC", text):
        raise ValueError("is not in Unicode normalization form C (NFC): normalize it first")
    return text


def _day(text: str) -> str:
    date.fromisoformat(text)
    return text


def _utc(text: str) -> str:
    """Write an instant in UTC; digits beyond microseconds are dropped."""
    if text[19] == ".":
        return _in_utc(text)
    # Offsets are whole minutes: the seconds stay, and each minute is worked out once.
    return f"{_minute_in_utc(text[:16] + text[19:])[:16]}{text[16:19]}Z"


def _in_utc(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the calendar") from None
    return moment.isoformat()[:-6] + "Z"


_minute_in_utc = lru_cache(maxsize=4096)(_in_utc)


def minor_units(amount: str) -> int:
    """Return a canonical amount in minor units: it has two decimals, so the point may go."""
    return int(amount.replace(".", ""))


def local_day(field: str, instant: str, zone: ZoneInfo) -> date:
    """Return the day of a canonical instant in the business zone; ValueError names the field."""
    day = _local_day(instant[:16], zone)  # a day begins with a minute, in every zone since 1972
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"{field}: lies outside {FIRST_DAY} to {LAST_DAY}")
    return day


@lru_cache(maxsize=4096)
def _local_day(minute: str, zone: ZoneInfo) -> date:
    try:
        return datetime.fromisoformat(minute).replace(tzinfo=UTC).astimezone(zone).date()
    except OverflowError:
        return date.min


def null_is(default: Any, accepted: Any) -> BeforeValidator:
    """Read null as the field's default: null and left out are the same (docs/events.md)."""
    return BeforeValidator(
        lambda value: default if value is None else value, json_schema_input_type=accepted | None
    )


Id = Annotated[str, StringConstraints(pattern=ID)]
Text = Annotated[str, StringConstraints(pattern=TEXT, max_length=TEXT_CHARACTERS_MAX)]
Username = Annotated[str, StringConstraints(pattern=USERNAME), AfterValidator(_username)]
Email = Annotated[str, StringConstraints(pattern=EMAIL, max_length=TEXT_CHARACTERS_MAX)]
Phone = Annotated[str, StringConstraints(pattern=PHONE)]
Amount = Annotated[str, StringConstraints(pattern=AMOUNT), AfterValidator(_amount)]
AmountAboveZero = Annotated[
    str, StringConstraints(pattern=AMOUNT), AfterValidator(_amount_above_zero)
]
AmountFromZero = Annotated[
    str, StringConstraints(pattern=AMOUNT), AfterValidator(_amount_from_zero)
]
AmountNotZero = Annotated[str, StringConstraints(pattern=AMOUNT), AfterValidator(_amount_not_zero)]
Percent = Annotated[str, StringConstraints(pattern=PERCENT), AfterValidator(_percent)]
Day = Annotated[
    str,
    StringConstraints(pattern=DAY),
    AfterValidator(_day),
    Field(json_schema_extra={"format": "date"}),
]
Label = Annotated[str, StringConstraints(pattern=LABEL)]
Instant = Annotated[
    str,
    StringConstraints(pattern=INSTANT),
    AfterValidator(_utc),
    Field(json_schema_extra={"format": "date-time"}),
]
