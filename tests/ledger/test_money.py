"""Amounts, percentages and the one rounding (docs/rules.md#amounts)."""

import pytest

from shared.ledger.money import (
    decimal,
    minor,
    parts_per_million,
    percent,
    round_half_up,
    share,
)


@pytest.mark.parametrize(
    ("numerator", "denominator", "rounded"),
    [
        (1, 2, 1),
        (-1, 2, -1),
        (3, 2, 2),
        (-3, 2, -2),
        (49, 100, 0),
        (-49, 100, 0),
        (0, 7, 0),
        (1_500_000, 31, 48_387),
        (10**30 + 1, 2, 5 * 10**29 + 1),
    ],
)
def test_halves_go_away_from_zero(numerator: int, denominator: int, rounded: int) -> None:
    assert round_half_up(numerator, denominator) == rounded


def test_a_share_is_rounded_once() -> None:
    assert share(48387, 50_000) == 2419
    assert share(10, 50_000) == 1
    assert share(-10, 50_000) == -1
    assert share(9, 50_000) == 0


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1000.00", 100_000),
        ("0", 0),
        ("10", 1_000),
        ("0.1", 10),
        ("-216.13", -21_613),
        ("-0.05", -5),
        ("9999999999.99", 10**12 - 1),
    ],
)
def test_an_amount_is_read_exactly(text: str, amount: int) -> None:
    assert minor(text) == amount


@pytest.mark.parametrize(
    "text", ["", "1.", ".5", "1.234", "01", "+1", "1e2", " 1", "1,000", "--1", "١", "1.00\n"]
)
def test_what_is_no_amount_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match="two decimals"):
        minor(text)


def test_amounts_are_written_with_two_decimals() -> None:
    assert [decimal(amount) for amount in (0, 5, -5, 48387, -21613, 100)] == [
        "0.00",
        "0.05",
        "-0.05",
        "483.87",
        "-216.13",
        "1.00",
    ]


def test_percentages_have_at_most_four_decimals() -> None:
    assert parts_per_million("12.5") == 125_000
    assert parts_per_million("0.0001") == 1
    assert parts_per_million("100") == 1_000_000
    assert [percent(ppm) for ppm in (125_000, 1, 1_000_000, 0)] == ["12.5", "0.0001", "100", "0"]
    for text in ("12.50001", "-1", "1000", "05", ""):
        with pytest.raises(ValueError, match="four decimals"):
            parts_per_million(text)
