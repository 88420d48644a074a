"""Billing ahead to a day: three shapes of a last period (docs/rules.md#bill-up-to)."""

from tests.support.tell import tell


def test_whole_cycles_come_first_and_the_last_bill_ends_early() -> None:
    """1 to 10 March are 10 of March's 31 days."""
    tell("""
        policy
        2026-01-01  signup  rahim  3100.00 a month
        2026-01-02  billto  rahim  2026-03-10
        2026-01     covers 2026-01-01..2026-02-01  charge 3100.00
        2026-02     covers 2026-02-01..2026-03-11  charge 4100.00
    """)


def test_the_last_bill_ends_late_so_that_labels_start_in_their_own_month() -> None:
    tell("""
        policy
        2026-01-05  signup  rahim  3100.00 a month, anniversary
        2026-01-05  billto  rahim  2026-03-02
        2026-01     covers 2026-01-05..2026-02-05
        2026-02     covers 2026-02-05..2026-03-03
        2026-03-03  tick    2026-03
        2026-01     covers 2026-01-05..2026-02-05
        2026-02     covers 2026-02-05..2026-03-03
        2026-03     covers 2026-03-03..2026-04-05
    """)


def test_within_the_month_of_the_coverage_end_the_last_period_grows() -> None:
    """February 1 to 14 more: 14 of 28 days at 2800.00 are 1400.00."""
    tell("""
        policy
        2026-01-01  signup  rahim  2800.00 a month
        2026-01-02  billto  rahim  2026-02-14, as up
        lines rahim
        1  2026-01  bill       charge 2800.00  covers 2026-01-01..2026-02-01
        2  2026-01  extension  charge 4200.00  covers 2026-01-01..2026-02-15
    """)


def test_an_extension_is_re_priced_with_the_rates_and_percent_of_its_bill() -> None:
    tell("""
        policy
          tax VAT 10 from 2020-01-01 until 2026-01-15
        2026-01-01  signup  rahim  2800.00 a month, discount 10 %
        2026-01-16  terms   rahim, discount 0 %
        policy
          tax VAT 20 from 2020-01-01
        2026-01-16  billto  rahim  2026-02-14
        2026-01     charge 4200.00  discount 420.00  vat 378.00
    """)


def test_an_extension_may_give_a_skip_row_its_first_active_day() -> None:
    tell("""
        policy
        2026-01-01  signup   rahim  2800.00 a month
        2026-01-02  suspend  rahim
        2026-01-02  resume   rahim, from 2026-03-01, no proration
        2026-02-01  tick     2026-02
        2026-01     standing yes
        2026-02     charge 0.00  standing no
        2026-02-02  billto   rahim  2026-03-31, as april
        2026-01     standing yes
        2026-02     charge 0.00  standing no
        2026-03     covers 2026-03-01..2026-04-01  standing yes
    """)
    tell("""
        policy
        2026-01-01  signup   rahim  3100.00 a month
        2026-01-02  suspend  rahim
        2026-01-02  resume   rahim, from 2026-03-01, no proration
        2026-02-01  tick     2026-02
        2026-02-02  billto   rahim  2026-03-10
        2026-01     standing yes
        2026-02     covers 2026-02-01..2026-03-11  charge 1000.00  standing yes
    """)


def test_start_of_month_and_anniversary_realign_to_their_anchor() -> None:
    tell("""
        policy
        2026-01-10  signup  rahim  1000.00 a month
        2026-01-10  signup  karim  1000.00 a month, anniversary
        2026-01-10  billto  rahim  2026-02-14
        2026-01-10  billto  karim  2026-02-14
        2026-02-20  tick    2026-02
        statement rahim
        2026-01     covers 2026-01-10..2026-02-15
        2026-02     covers 2026-02-15..2026-03-01
        statement karim
        2026-01     covers 2026-01-10..2026-02-15
        2026-02     covers 2026-02-15..2026-03-10
    """)


def test_a_custom_cycle_takes_the_new_day_as_its_anchor() -> None:
    tell("""
        policy
        2026-01-10  signup  rahim  1000.00 a month, custom day 10
        2026-01-10  billto  rahim  2026-02-14
        2026-02-20  tick    2026-02
        2026-01     covers 2026-01-10..2026-02-15
        2026-02     covers 2026-02-15..2026-03-15
    """)


def test_an_end_on_the_clamped_anchor_day_leaves_the_anchor() -> None:
    """30 April is the anchor day 31 of that month; May ends on the 31st again."""
    tell("""
        policy
        2026-03-31  signup  rahim  1000.00 a month, custom day 31
        2026-03-31  billto  rahim  2026-05-30
        2026-05-31  tick    2026-05, allow gap
        2026-03     covers 2026-03-31..2026-04-30
        2026-04     covers 2026-04-30..2026-05-31
        2026-05     covers 2026-05-31..2026-06-30
        2026-05-31  billto  rahim  2026-09-29
        2026-09-30  tick    2026-09, allow gap
        2026-03     covers 2026-03-31..2026-04-30
        2026-04     covers 2026-04-30..2026-05-31
        2026-05     covers 2026-05-31..2026-06-30
        2026-06     covers 2026-06-30..2026-07-31
        2026-07     covers 2026-07-31..2026-08-31
        2026-08     covers 2026-08-31..2026-09-30
        2026-09     covers 2026-09-30..2026-10-31
    """)


def test_a_cycle_change_planned_for_later_stands() -> None:
    tell("""
        policy
        2026-01-10  signup  rahim  1000.00 a month, custom day 10
        2026-01-10  terms   rahim, custom day 20, from 2026-03-01
        2026-01-10  billto  rahim  2026-02-14
        2026-03-15  tick    2026-03, allow gap
        2026-01     covers 2026-01-10..2026-02-15
        2026-02     covers 2026-02-15..2026-03-15
        2026-03     covers 2026-03-15..2026-04-20
    """)


def test_the_cycle_in_force_on_the_new_end_decides_whether_the_anchor_moves() -> None:
    tell("""
        policy
        2026-01-10  signup  rahim  1000.00 a month, custom day 10
        2026-01-10  terms   rahim, start of month, from 2026-02-01
        2026-01-10  billto  rahim  2026-02-14
        2026-01-10  signup  karim  1000.00 a month, custom day 10
        2026-01-10  terms   karim, start of month, from 2026-02-15
        2026-01-10  billto  karim  2026-02-14
        2026-02-20  tick    2026-02
        statement rahim
        2026-01     covers 2026-01-10..2026-02-15
        2026-02     covers 2026-02-15..2026-03-01
        statement karim
        2026-01     covers 2026-01-10..2026-02-15
        2026-02     covers 2026-02-15..2026-03-01
    """)


def test_bill_up_to_is_refused_for_the_first_reason_that_applies() -> None:
    tell("""
        policy
          staff clerk may cancel
        2026-01-01  signup  rahim  1000.00 a month
        2026-01-02  billto  rahim  2025-12-31, by clerk  => refused not_permitted
        2026-01-02  billto  rahim  2026-01-31            => refused already_billed
        2026-01-02  cancel  rahim  bill 2026-01
        2026-01-02  billto  rahim  2026-02-10            => refused bill_cancelled
        2026-01-02  billto  rahim  2029-02-28            => refused too_many_periods
        2026-01-02  leave   rahim, from 2027-01-01
        2026-01-02  billto  rahim  2029-02-28            => refused customer_left
        2026-01-02  billto  rahim  2027-02-10            => refused customer_left
        2026-01-02  billto  rahim  2027-01-31            => refused customer_left
        2026-01-02  billto  rahim  2026-12-31
        2026-01-02  billto  rahim  2027-01-10            => refused customer_left
    """)


def test_36_months_ahead_are_allowed() -> None:
    *_, rules = tell("""
        policy
        2026-01-01  signup  rahim  1000.00 a month
        2026-01-02  billto  rahim  2029-02-27
    """)

    assert rules.statement("rahim")[-1].coverage_to.isoformat() == "2029-02-28"


def test_one_who_left_and_returns_may_pay_ahead_over_skip_rows() -> None:
    tell("""
        policy
        2026-01-01  signup  rahim  1000.00 a month
        2026-01-02  leave   rahim
        2026-01-02  return  rahim, from 2026-03-01
        2026-01-02  billto  rahim  2026-03-31
        2026-01     billed 1000.00
        2026-02     billed    0.00  standing no
        2026-03     billed 1000.00
    """)


def test_what_is_billed_ahead_is_not_billed_again() -> None:
    tell("""
        policy
        2026-01-01  signup  rahim  1000.00 a month
        2026-01-02  billto  rahim  2026-03-31
        2026-02-28  tick    2026-02, allow gap
        2026-03-31  tick    2026-03
        lines rahim
        1  2026-01  bill
        2  2026-02  bill
        3  2026-03  bill
    """)
