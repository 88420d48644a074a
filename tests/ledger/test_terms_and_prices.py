"""Prices by the list, terms that end, usernames, days of grace (docs/rules.md#change)."""

from tests.support.tell import tell


def test_without_proration_a_change_counts_from_the_first_billed_period_that_starts_later() -> None:
    """The month in hand stays as billed, the two billed ahead do not."""
    tell("""
        policy
        2026-01-01  signup   rahim  1000.00 a month
        2026-01-02  billto   rahim  2026-03-31
        2026-01-20  suspend  rahim
        2026-01-21  package  rahim  2000.00, no proration, from 2026-02-01
        lines rahim
        1  2026-01  bill       billed 1000.00
        2  2026-02  bill       billed 1000.00
        3  2026-03  bill       billed 1000.00
        4  2026-02  proration  billed    0.00
        5  2026-03  proration  billed    0.00
        2026-01-22  resume   rahim, from 2026-03-01
        statement rahim
        2026-01     billed 1000.00
        2026-02     billed    0.00  standing yes
        2026-03     billed 2000.00  standing yes
    """)


def test_a_pause_that_is_not_prorated_and_ends_within_the_month_in_hand_charges_all_of_it() -> None:
    tell("""
        policy
        2026-01-01  signup   rahim  3100.00 a month
        2026-01-05  suspend  rahim, until 2026-01-15
        2026-02-01  tick     2026-02
        2026-01     billed 3100.00
        2026-02     billed 3100.00
    """)


def test_with_an_end_what_was_known_before_holds_again_from_it_on() -> None:
    """Two words about one field: the later one wins on its own days alone."""
    tell("""
        policy
        2026-01-01  signup   rahim  3100.00 a month
        2026-01-02  package  rahim  6200.00, from 2026-02-01
        2026-01-02  terms    rahim, discount 50 %, from 2026-02-01, until 2026-03-01
        2026-01-02  package  rahim     0.00, from 2026-01-30, until 2026-02-15
        2026-03-01  tick     2026-03, allow gap
        2026-01     charge 2900.00  discount    0.00
        2026-02     charge 3100.00  discount 1550.00
        2026-03     charge 6200.00  discount    0.00
    """)


def test_a_code_needs_a_price_of_its_own_or_one_of_the_list() -> None:
    tell("""
        policy
          price home 1000.00 from 2026-01-01
          staff clerk may discount
        2026-01-01  signup  rahim  cottage                   => refused unknown_price
        2026-01-01  signup  rahim  home, extras tv, as s2     => refused unknown_price
        2026-01-01  signup  rahim  900.00 a month, as s3, by clerk  => refused not_permitted
        2026-01-01  signup  rahim  home, extras tv=1.00, as s4, by clerk  => refused not_permitted
        2026-01-01  signup  rahim  home, as s5, by clerk
        2026-01-02  extras  rahim  2xtv=10.00
        2026-01-03  package rahim  mansion                   => refused unknown_price
        2026-01-03  extras  rahim  tv                        => refused unknown_price
        2026-01-03  package rahim  500.00, by clerk          => refused not_permitted
        policy
        2026-01-03  package rahim  500.00, from 2026-02-01, by clerk
        2026-02-01  tick    2026-02
        2026-01     charge 1019.35
        2026-02     charge  520.00
    """)


def test_a_bill_reads_the_list_of_its_own_version_also_when_it_is_priced_again() -> None:
    """A code that the version lacks is read from the first later one; the first price of a code
    holds on the days before it too."""
    tell("""
        policy
          price home 1000.00 from 2026-01-01
          price home 1310.00 from 2026-01-22
        2025-12-31  signup  rahim  home, joined 2025-12-31
        2026-01-01  tick    2026-01
        2025-12     charge   32.26
        2026-01     charge 1100.00
        policy
          price home 5000.00 from 2020-01-01
          price tv    310.00 from 2026-06-01
        2026-01-02  extras  rahim  tv, from 2026-01-01
        2025-12     charge   32.26
        2026-01     charge 1410.00
        2026-02-01  tick    2026-02
        statement rahim
        2025-12     charge   32.26
        2026-01     charge 1410.00
        2026-02     charge 5310.00
    """)


def test_a_username_is_one_customers_until_a_change_gives_it_up() -> None:
    tell("""
        policy
        2026-01-01  signup  rahim  1000.00 a month
        2026-01-01  signup  karim  1000.00 a month, username rahim            => refused username_taken
        2026-01-01  signup  karim  1000.00 a month, username karim, as second
        2026-01-02  terms   karim, username rahim                             => refused username_taken
        2026-01-02  terms   karim, username karim
        2026-01-02  leave   rahim
        2026-01-02  terms   karim, username rahim                             => refused username_taken
        2026-01-03  terms   rahim, username gone
        2026-01-03  terms   karim, username rahim
        2026-01-03  signup  salma  1000.00 a month, username karim
        2026-01-03  signup  karima 1000.00 a month, username gone             => refused username_taken
    """)  # noqa: E501


def test_nobody_expires_before_a_day_that_was_granted_which_needs_leave() -> None:
    tell("""
        policy
          staff clerk may discount
        2026-01-01  signup  rahim  1000.00 a month
        expires rahim 2026-01-11
        2026-01-05  terms   rahim, grace until 2026-01-20, by clerk  => refused not_permitted
        2026-01-05  terms   rahim, grace until 2026-01-20
        expires rahim 2026-01-20
        2026-01-06  terms   rahim, grace until 2026-01-07
        expires rahim 2026-01-11
    """)


def test_a_date_a_year_past_the_business_date_is_a_slip() -> None:
    """Before the first tick there is no business date, so nothing lies past it."""
    tell("""
        policy
        2029-01-02  signup  karim  1000.00 a month
        2026-01-01  tick    2026-01
        2027-01-03  signup  rahim  1000.00 a month, joined 2026-12-01  => refused gap_too_large
        2026-01-01  signup  rahim  1000.00 a month, as s2
        2027-01-03  package rahim  2000.00                             => refused gap_too_large
        2027-01-02  package rahim  2000.00
    """)


def test_a_slip_of_the_year_goes_before_too_many_periods() -> None:
    tell("""
        policy
        2026-01-01  tick    2026-01
        2027-01-03  signup  rahim  1000.00 a month, joined 2020-01-01  => refused gap_too_large
        2026-01-01  signup  rahim  1000.00 a month, as s2
        2031-01-01  package rahim  2000.00                             => refused gap_too_large
    """)
