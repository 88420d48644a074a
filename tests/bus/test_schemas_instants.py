"""Instants are read minute by minute, and come out as if each were read by itself."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.schemas.fields import local_day
from shared.schemas.payments import PaymentReceived

ZONES = ("Asia/Dhaka", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Monrovia",
         "America/St_Johns", "UTC")  # fmt: skip
MOMENTS = st.datetimes(datetime(2000, 1, 3), datetime(2199, 12, 29))  # noqa: DTZ001
OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59)


def received(instant: str) -> PaymentReceived:
    return PaymentReceived.model_validate(
        {
            "payment_id": "p-1",
            "customer_id": "rahim",
            "amount": "1.00",
            "method": "cash",
            "channel": "field",
            "received_at": instant,
            "actor": "a",
        }
    )


@given(MOMENTS, OFFSETS, st.booleans(), st.sampled_from(ZONES))
def test_an_instant_and_its_day_are_those_of_the_calendar(
    moment: datetime, offset: int, whole: bool, zone: str
) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    zoned = zoned.replace(microsecond=0) if whole else zoned
    sign, minutes = "-" if offset < 0 else "+", abs(offset)
    text = f"{zoned.isoformat()[:-6]}{sign}{minutes // 60:02d}:{minutes % 60:02d}"

    event = received(text)

    wanted = zoned.astimezone(UTC)
    assert event.received_at == wanted.isoformat()[:-6] + "Z"
    day = wanted.astimezone(ZoneInfo(zone)).date()
    assert local_day("received_at", event.received_at, ZoneInfo(zone)) == day


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2026-01-17T10:00:59+06:00", "2026-01-17T04:00:59Z"),
        ("2026-01-17t04:00:07z", "2026-01-17T04:00:07Z"),
        ("2026-01-17T23:59:59-00:01", "2026-01-18T00:00:59Z"),
        ("2026-01-17T04:00:00.5Z", "2026-01-17T04:00:00.500000Z"),
        ("2026-01-17T04:00:00.0000009Z", "2026-01-17T04:00:00Z"),
        ("2026-01-17T04:00:00.000Z", "2026-01-17T04:00:00Z"),
    ],
)
def test_an_instant_is_written_in_utc(text: str, canonical: str) -> None:
    assert received(text).received_at == canonical
