"""Labels, anchors and cycles (docs/rules.md#cycles)."""

from datetime import date, timedelta

import pytest

from shared.ledger.period import anchor_in, cycles, days_in_month, label_of, months_after
from shared.ledger.period import months_between as between
from tests.support.tell import tell


def test_a_label_is_the_month_of_a_day() -> None:
    assert label_of(date(2026, 1, 31)) == "2026-01"


def test_labels_count_across_years() -> None:
    assert months_after("2025-12", 1) == "2026-01"
    assert months_after("2026-01", -1) == "2025-12"
    assert months_after("2026-01", 36) == "2029-01"
    assert between("2025-11", "2026-02") == 3
    assert between("2026-02", "2025-11") == -3


@pytest.mark.parametrize(
    ("year", "days"), [(2024, 29), (2026, 28), (2000, 29), (2100, 28), (2200, 28)]
)
def test_february_knows_leap_years(year: int, days: int) -> None:
    assert days_in_month(year, 2) == days
    assert anchor_in(f"{year}-02", 31) == date(year, 2, days)


def test_anchor_31_returns_to_31_after_february() -> None:
    days = [anchor_in(f"2026-{month:02d}", 31) for month in (1, 2, 3, 4)]

    assert days == [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)]


def test_cycles_run_from_anchor_day_to_anchor_day_and_cover_what_is_asked() -> None:
    found = list(cycles(date(2026, 1, 10), date(2026, 3, 5), 31))

    assert found == [
        (date(2025, 12, 31), date(2026, 1, 31)),
        (date(2026, 1, 31), date(2026, 2, 28)),
        (date(2026, 2, 28), date(2026, 3, 31)),
    ]


def test_a_day_on_the_anchor_opens_its_cycle() -> None:
    day = date(2026, 2, 28)

    assert list(cycles(day, day + timedelta(1), 30)) == [(day, date(2026, 3, 30))]


def test_the_three_cycles_have_their_anchors() -> None:
    tell("""
        2026-01-17  signup  a  1000.00 a month, start of month
        2026-01-17  signup  b  1000.00 a month, anniversary
        2026-01-17  signup  c  1000.00 a month, custom day 10
        2026-01-17  signup  d  1000.00 a month, anniversary, billed from 2026-01-20
        statement a
        2026-01     covers 2026-01-17..2026-02-01
        statement b
        2026-01     covers 2026-01-17..2026-02-17
        statement c
        2026-01     covers 2026-01-17..2026-02-10
        2026-01-20  tick    2026-01
        statement d
        2026-01     covers 2026-01-20..2026-02-17
    """)


def test_coverage_starts_in_its_labels_month_and_ends_in_the_next() -> None:
    tell("""
        2026-01-31  signup  rahim  1000.00 a month, anniversary
        2026-04-30  tick    2026-04
        2026-01     covers 2026-01-31..2026-02-28
        2026-02     covers 2026-02-28..2026-03-31
        2026-03     covers 2026-03-31..2026-04-30
        2026-04     covers 2026-04-30..2026-05-31
    """)
