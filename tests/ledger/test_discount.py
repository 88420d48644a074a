"""Discounts granted by hand: VAT's share and the limits (docs/rules.md#discount-granted)."""

from tests.support.tell import tell


def test_a_discount_lowers_billed_by_exactly_its_amount_and_vat_bears_its_share() -> None:
    """100.00 of 1050.00 billed: 100.00 × 50.00 / 1050.00 = 4.76 is VAT's."""
    tell("""
        policy
          tax VAT 5 from 2020-01-01
        2026-01-01  signup    rahim  1000.00 a month
        2026-01-05  discount  rahim   100.00
        2026-01     charge 1000.00  discount 95.24  vat 45.24  billed 950.00
    """)


def test_a_discount_goes_to_the_period_it_names_or_to_that_of_its_day() -> None:
    tell("""
        policy
        2026-02-05  signup    rahim  1000.00 a month, joined 2026-01-01
        2026-02-05  discount  rahim    10.00, period 2026-01
        2026-02-05  discount  rahim    20.00
        2026-01     billed 990.00
        2026-02     billed 980.00
    """)


def test_a_discount_needs_its_permission() -> None:
    tell("""
        policy
          staff clerk may cancel
        2026-01-01  signup    rahim  1000.00 a month
        2026-01-05  discount  rahim   100.00, by clerk   => refused not_permitted
        2026-01-05  discount  rahim   100.00, by nobody  => refused not_permitted
    """)


def test_a_discount_is_refused_for_the_first_reason_that_applies() -> None:
    tell("""
        policy
          staff clerk may discount, up to 10
        2026-02-05  signup    rahim  1000.00 a month, joined 2026-01-01
        2026-02-05  cancel    rahim  bill 2026-01
        2026-02-05  discount  rahim  9000.00, period 2025-12, by clerk  => refused unknown_period
        2026-02-05  discount  rahim  9000.00, period 2026-01, by clerk  => refused no_standing_bill
        2026-02-05  discount  rahim  1000.01, period 2026-02, by clerk  => refused exceeds_bill
        2026-02-05  discount  rahim   100.01, period 2026-02, by clerk  => refused over_limit
        2026-02-05  discount  rahim   100.00, period 2026-02, by clerk
    """)


def test_a_skip_row_takes_no_discount() -> None:
    tell("""
        policy
        2026-01-01  signup    rahim  1000.00 a month
        2026-01-02  suspend   rahim
        2026-02-01  tick      2026-02
        2026-02-05  discount  rahim  1.00  => refused no_standing_bill
    """)


def test_a_whole_bill_may_be_given_away_and_no_more() -> None:
    tell("""
        policy
        2026-01-01  signup    rahim  1000.00 a month
        2026-01-05  discount  rahim  1000.00
        2026-01-05  discount  rahim     0.01  => refused exceeds_bill
        2026-01     billed 0.00
    """)


def test_the_limit_counts_the_actors_own_live_discounts_on_that_bill() -> None:
    """The limit is 10 % of 1000.00, what was billed before all granted discounts."""
    tell("""
        policy
          staff clerk may discount, cancel, up to 10
          staff other may discount, up to 10
        2026-01-01  signup    rahim  1000.00 a month
        2026-01-05  discount  rahim    60.00, by clerk, as d1
        2026-01-05  discount  rahim    40.01, by clerk  => refused over_limit
        2026-01-05  discount  rahim   100.00, by other
        2026-01-05  discount  rahim    40.00, by clerk
        2026-01-05  discount  rahim     0.01, by clerk  => refused over_limit
        2026-01-06  cancel    rahim  discount d1
        2026-01-06  discount  rahim    60.00, by clerk
        2026-01     billed 800.00
    """)


def test_the_limit_is_taken_anew_on_another_bill() -> None:
    tell("""
        policy
          staff clerk may discount, cancel, up to 10
        2026-02-01  signup    rahim  1000.00 a month, joined 2026-01-01
        2026-01-05  discount  rahim   100.00, by clerk, period 2026-01
        2026-01-05  discount  rahim   100.00, by clerk, period 2026-02
        2026-01-06  cancel    rahim  bill 2026-01
        2026-01-06  rebill    rahim  2026-01
        2026-01-06  discount  rahim   100.00, by clerk, period 2026-01
        2026-01     billed 900.00
        2026-02     billed 900.00
    """)
