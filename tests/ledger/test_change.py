"""Terms that change: what counts from when, and what is priced again (docs/rules.md#change).

January costs 3100.00 for 31 days, so each of its days costs 100.00.
"""

from datetime import date

from shared.ledger.commands import Changed
from shared.ledger.terms import Package
from tests.support.rules import Rules
from tests.support.tell import tell


def test_a_change_first_bills_what_was_due_under_the_terms_before_it() -> None:
    tell("""
        2026-01-01  signup   rahim  3100.00 a month
        2026-03-02  package  rahim  6200.00, from 2026-03-15, no proration
        lines rahim
        1  2026-01  bill  charge 3100.00
        2  2026-02  bill  charge 3100.00
        3  2026-03  bill  charge 3100.00
    """)


def test_a_late_tick_changes_no_amount() -> None:
    """On 10 February the price changes; February's tick came before that, or comes after it."""
    in_time = """
        2026-01-01  signup   rahim  3100.00 a month
        2026-02-01  tick     2026-02
        2026-02-10  package  rahim  6200.00, no proration
        2026-01     charge 3100.00
        2026-02     charge 3100.00
    """
    late = """
        2026-01-01  signup   rahim  3100.00 a month
        2026-02-10  package  rahim  6200.00, no proration
        2026-02-28  tick     2026-02
        2026-01     charge 3100.00
        2026-02     charge 3100.00
    """
    tell(in_time)
    tell(late)


def test_a_run_that_has_not_reached_a_customer_changes_no_amount() -> None:
    """The business date is in March already, but nothing of it is billed to him yet."""
    *_, rules = tell("""
        2026-01-01  signup  rahim  3100.00 a month
    """)
    assert isinstance(rules, Rules)
    rules.business_date, told_on = date(2026, 3, 1), date(2026, 1, 2)

    dearer, counts_on = Package("fast", 620_000), date(2026, 3, 2)
    rules.apply(Changed("change/c", "rahim", counts_on, told_on, None, False, package=dearer))

    assert [line.charge for line in rules.lines("rahim")] == [310_000, 310_000, 310_000]


def test_a_package_change_reaches_back_by_default_with_one_proration_a_period() -> None:
    """Ten days at 200.00 instead of 100.00 in January; February whole at the new price."""
    tell("""
        2026-02-01  signup   rahim  3100.00 a month, joined 2026-01-01
        2026-02-10  package  rahim  6200.00, from 2026-01-22
        lines rahim
        1  2026-01  bill       charge 3100.00  due 3100.00
        2  2026-02  bill       charge 3100.00  due 6200.00
        3  2026-01  proration  charge 4100.00  due 4100.00
        4  2026-02  proration  charge 6200.00  due 10300.00
    """)


def test_a_package_change_without_proration_counts_from_the_end_of_the_billed_coverage() -> None:
    tell("""
        2026-01-01  signup   rahim  3100.00 a month
        2026-01-10  package  rahim  6200.00, no proration
        2026-02-01  tick     2026-02
        2026-01     charge 3100.00
        2026-02     charge 6200.00
    """)


def test_a_change_early_in_a_month_reaches_the_period_of_the_month_before() -> None:
    tell("""
        2026-02-10  signup   rahim  3100.00 a month, joined 2026-01-10, anniversary
        2026-02-12  package  rahim  6200.00, from 2026-02-05
        2026-01     covers 2026-01-10..2026-02-10  charge 3600.00
        2026-02     covers 2026-02-10..2026-03-10  charge 6200.00
    """)


def test_what_is_not_to_reach_back_does_not_when_something_else_does() -> None:
    """January is re-priced for its days not active, at the price that it was billed at."""
    tell("""
        2026-01-01  signup   rahim  3100.00 a month
        2026-01-10  package  rahim  6200.00, no proration
        2026-01-11  suspend  rahim, from 2026-01-22, prorate
        2026-01     charge 2100.00
    """)


def test_a_package_change_ahead_counts_from_its_day() -> None:
    tell("""
        2026-01-01  signup   rahim  3100.00 a month
        2026-01-10  package  rahim  6200.00, from 2026-03-17, no proration
        2026-03-01  tick     2026-03, allow gap
        2026-01     charge 3100.00
        2026-02     charge 3100.00
        2026-03     charge 4600.00
    """)


def test_a_suspension_leaves_what_is_billed_by_default() -> None:
    tell("""
        2026-01-01  signup   rahim  3100.00 a month
        2026-01-10  suspend  rahim
        2026-02-01  tick     2026-02
        lines rahim
        1  2026-01  bill  charge 3100.00
        2  2026-02  skip  charge    0.00
    """)


def test_a_suspension_with_proration_takes_back_the_days_not_active() -> None:
    tell("""
        2026-01-01  signup   rahim  3100.00 a month
        2026-01-11  suspend  rahim, prorate
        lines rahim
        1  2026-01  bill       charge 3100.00
        2  2026-01  proration  charge 1000.00
    """)


def test_a_bill_prorated_to_no_active_day_stays_the_periods_bill() -> None:
    tell("""
        policy
        2026-01-01  signup   rahim  3100.00 a month
        2026-01-11  suspend  rahim, from 2026-01-01, prorate
        2026-01     charge 0.00  standing yes
        2026-01-12  cancel   rahim  bill 2026-01
        2026-01     charge 0.00  standing no
    """)


def test_a_resumption_reaches_back_by_default_and_makes_a_skip_row_the_bill() -> None:
    tell("""
        2025-12-01  signup   rahim  3100.00 a month
        2025-12-20  suspend  rahim
        2026-01-01  tick     2026-01
        2026-01-20  resume   rahim, from 2026-01-22
        lines rahim
        1  2025-12  bill       charge 3100.00
        2  2026-01  skip       charge    0.00
        3  2026-01  proration  charge 1000.00
        statement rahim
        2025-12     standing yes
        2026-01     charge 1000.00  standing yes
    """)


def test_a_re_priced_bill_keeps_its_anchor_percent_exemption_and_rates() -> None:
    """February was billed ahead; what is said of it later counts for a new bill, not for this."""
    tell("""
        policy
          tax VAT 10 from 2020-01-01
        2026-01-01  signup   rahim  3100.00 a month, discount 10 %
        2026-01-01  billto   rahim  2026-02-28
        2026-01-02  terms    rahim, discount 50 %, vat exempt, custom day 15, from 2026-02-01
        policy
          tax VAT 20 from 2020-01-01
        2026-01-03  package  rahim  6200.00, from 2026-02-01
        2026-01     charge 3100.00  discount 310.00  vat 279.00
        2026-02     charge 6200.00  discount 620.00  vat 558.00
    """)


def test_a_proration_leaves_periods_that_end_by_the_effective_day_alone() -> None:
    tell("""
        2026-01-01  signup   rahim  3100.00 a month
        2026-02-01  tick     2026-02
        2026-02-02  package  rahim  6200.00, from 2026-02-01
        2026-01     charge 3100.00
        2026-02     charge 6200.00
    """)
    tell("""
        policy
        2026-01-01  signup   rahim  1000.00 a month
        2026-01-02  cancel   rahim  bill 2026-01, as c1
        2026-01-03  package  rahim  5000.00, from 2026-01-01
        2026-01-04  undo     rahim  c1
        2026-01-05  package  rahim  7000.00, from 2026-02-01
        2026-01     charge 5000.00
    """)


def test_a_proration_leaves_a_cancelled_bill_alone() -> None:
    tell("""
        policy
        2026-01-01  signup   rahim  3100.00 a month
        2026-01-02  cancel   rahim  bill 2026-01
        2026-01-03  package  rahim  6200.00, from 2026-01-01
        2026-01     charge 0.00  standing no
    """)


def test_a_change_that_moves_no_charge_appends_no_line() -> None:
    tell("""
        2026-01-01  signup   rahim  3100.00 a month
        2026-01-03  package  rahim  3100.00, from 2026-01-01
        lines rahim
        1  2026-01  bill  charge 3100.00
    """)


def test_a_proration_restates_the_later_periods_whose_charge_stays() -> None:
    tell("""
        policy
        2026-02-01  signup   rahim  3100.00 a month, joined 2026-01-01
        2026-02-02  cancel   rahim  bill 2026-02
        2026-02-10  package  rahim  6200.00, from 2026-01-22, as up
        lines rahim
        1  2026-01  bill         due 3100.00
        2  2026-02  bill         due 6200.00
        3  2026-02  reversal     due 3100.00
        4  2026-01  proration    charge 4100.00  due 4100.00  command_id change/up
        5  2026-02  restatement  charge    0.00  due 4100.00  command_id change/up
    """)


def test_the_last_word_replaces_all_that_was_known_from_its_day_on() -> None:
    """The price planned for February is overruled by a later word for 22 January on."""
    tell("""
        2026-01-01  signup   rahim  3100.00 a month
        2026-01-05  package  rahim  9300.00, from 2026-02-01
        2026-01-06  package  rahim  6200.00, from 2026-01-22
        2026-02-01  tick     2026-02
        2026-01     charge 4100.00
        2026-02     charge 6200.00
    """)


def test_an_earlier_day_still_holds_before_a_later_word() -> None:
    tell("""
        2026-01-01  signup   rahim  3100.00 a month
        2026-01-05  package  rahim  6200.00, from 2026-01-12
        2026-01-06  package  rahim  9300.00, from 2026-01-22
        2026-01     charge 6100.00
    """)


def test_a_change_leaves_the_fields_that_it_does_not_name() -> None:
    tell("""
        policy
        2026-01-01  signup   rahim  3100.00 a month
        2026-01-05  terms    rahim, discount 10 %, from 2026-02-01
        2026-01-06  package  rahim  6200.00, from 2026-01-01
        2026-02-01  tick     2026-02
        2026-01     charge 6200.00  discount   0.00
        2026-02     charge 6200.00  discount 620.00
    """)


def test_percent_and_exemption_count_for_bills_that_start_after_both_days() -> None:
    """Effective in January, said on 10 February: February's bill was due before, March's not."""
    tell("""
        policy
          tax VAT 10 from 2020-01-01
        2026-02-01  signup  rahim  1000.00 a month, joined 2026-01-01
        2026-02-10  terms   rahim, discount 10 %, vat exempt, from 2026-01-01
        2026-03-01  tick    2026-03
        2026-01     discount   0.00  vat 100.00
        2026-02     discount   0.00  vat 100.00
        2026-03     discount 100.00  vat   0.00
        2026-03-02  terms   rahim, discount 0 %, with vat, from 2026-05-01
        2026-04-30  tick    2026-04, allow gap
        2026-05-01  tick    2026-05
        2026-01     discount   0.00  vat 100.00
        2026-02     discount   0.00  vat 100.00
        2026-03     discount 100.00  vat   0.00
        2026-04     discount 100.00  vat   0.00
        2026-05     discount   0.00  vat 100.00
    """)


def test_a_rebill_reads_the_percent_of_its_first_day_not_of_a_word_said_later() -> None:
    tell("""
        policy
        2026-01-01  signup  rahim  1000.00 a month
        2026-01-10  terms   rahim, discount 10 %, from 2026-01-01
        2026-01-11  cancel  rahim  bill 2026-01
        2026-01-11  rebill  rahim  2026-01
        2026-01     charge 1000.00  discount 0.00
    """)


def test_a_new_cycle_counts_from_the_next_bill_on() -> None:
    tell("""
        2026-01-01  signup  rahim  1000.00 a month
        2026-01-05  terms   rahim, custom day 10
        2026-02-01  tick    2026-02
        2026-01     covers 2026-01-01..2026-02-01
        2026-02     covers 2026-02-01..2026-03-10
    """)


def test_a_mode_counts_for_what_is_asked_and_changes_no_amount() -> None:
    tell("""
        2026-01-01  signup  rahim  1000.00 a month
        2026-02-01  tick    2026-02
        invoices rahim
        2026-01  amount 1000.00  ask 2000.00
        2026-02  amount 1000.00  ask 2000.00
        2026-02-01  terms   rahim, monthly
        invoices rahim
        2026-01  amount 1000.00  ask 1000.00
        2026-02  amount 1000.00  ask 1000.00
        statement rahim
        2026-01  due 1000.00
        2026-02  due 2000.00
    """)


def test_a_vip_who_is_one_no_more_expires_again() -> None:
    tell("""
        policy
        2026-01-01  signup  rahim  1000.00 a month, vip
        2026-01-01  tick    2026-01
        expires rahim never
        2026-01-01  terms   rahim, not vip
        expires rahim 2026-01-11
    """)


def test_no_period_is_made_while_a_customer_has_left() -> None:
    tell("""
        2026-01-01  signup  rahim  1000.00 a month
        2026-01-10  leave   rahim
        2026-05-01  tick    2026-05, allow gap
        2026-01     charge 1000.00
    """)


def test_on_return_the_gap_is_filled_with_skip_rows() -> None:
    """Back from 17 March, a 31-day month: 15 of 31 days at 3100.00 are 1500.00."""
    tell("""
        2026-01-01  signup  rahim  3100.00 a month
        2026-01-10  leave   rahim
        2026-03-20  tick    2026-03, allow gap
        2026-03-20  return  rahim, from 2026-03-17
        lines rahim
        1  2026-01  bill  charge 3100.00
        2  2026-02  skip  charge    0.00
        3  2026-03  bill  charge 1500.00
    """)


def test_a_return_known_ahead_lets_the_months_before_it_be_skip_rows() -> None:
    tell("""
        2026-01-01  signup  rahim  3100.00 a month
        2026-01-10  leave   rahim
        2026-01-11  return  rahim, from 2026-03-01
        2026-02-01  tick    2026-02
        lines rahim
        1  2026-01  bill  charge 3100.00
        2  2026-02  skip  charge    0.00
    """)


def test_a_change_ends_by_billing_up_to_the_business_date_and_no_further() -> None:
    """The return is told on 20 March, but the business date is still in February."""
    tell("""
        2026-01-01  signup  rahim  3100.00 a month
        2026-01-10  leave   rahim
        2026-02-10  tick    2026-02
        2026-03-20  return  rahim, from 2026-02-01
        2026-01     charge 3100.00
        2026-02     charge 3100.00
    """)


def test_what_a_change_bills_at_its_end_is_asked_for_on_the_day_it_was_said() -> None:
    """Not on the business date, which is still in February: nobody was asked then."""
    tell("""
        2026-01-01  signup  rahim  3100.00 a month
        2026-01-01  pay     rahim  3100.00
        2026-01-10  leave   rahim
        2026-02-10  tick    2026-02
        2026-03-20  return  rahim, from 2026-02-01
        2026-01     due    0.00
        2026-02     due 3100.00
        expires rahim 2026-03-30
    """)


def test_what_is_shown_follows_the_effective_day_whatever_is_charged() -> None:
    *_, rules = tell("""
        2026-01-01  signup   rahim  1000.00 a month
        2026-01-10  suspend  rahim, from 2026-01-05
        2026-01-10  tick     2026-01
        2026-01     charge 1000.00
    """)

    assert rules.customer("rahim").status == "suspended"  # type: ignore[attr-defined]


def test_a_change_needs_the_permissions_of_a_signup() -> None:
    tell("""
        policy
          staff clerk may discount, up to 10
        2026-01-01  signup  rahim  100.00 a month
        2026-01-02  terms   rahim, discount 5 %, by nobody    => refused not_permitted
        2026-01-02  terms   rahim, vat exempt, by clerk       => refused not_permitted
        2026-01-02  terms   rahim, discount 11 %, by clerk    => refused over_limit
        2026-01-02  terms   rahim, discount 10 %, by clerk
        2026-01-02  terms   rahim, discount 0 %, by nobody
        2026-01-02  terms   rahim, with vat, by nobody
    """)


def test_a_change_takes_no_effect_before_joining() -> None:
    tell("""
        policy
          staff clerk may discount, up to 10
        2026-01-10  signup   rahim  100.00 a month, billed from 2026-02-01
        2026-01-11  package  rahim  200.00, from 2026-01-09  => refused before_joining
        2026-01-11  terms    rahim, discount 11 %, by clerk, from 2026-01-09  => refused over_limit
        2026-01-11  package  rahim  200.00, from 2026-01-10
        2026-02-01  tick     2026-02
        2026-02     charge 200.00
    """)


def test_a_change_that_would_make_more_than_36_bills_undoes_those_made_on_the_way() -> None:
    tell("""
        2026-01-01  signup   rahim  100.00 a month
        2029-02-01  package  rahim  200.00  => refused too_many_periods
        2026-01     charge 100.00
        2029-01-01  suspend  rahim, from 2029-01-20
    """)


def test_skip_rows_do_not_count_among_the_36() -> None:
    *_, rules = tell("""
        2026-01-01  signup   rahim  100.00 a month
        2026-01-02  suspend  rahim
        2032-01-01  terms    rahim, monthly
    """)

    assert len(rules.statement("rahim")) == 73


def test_before_joining_is_said_before_too_many_periods() -> None:
    tell("""
        2026-01-01  signup   rahim  100.00 a month
        2030-02-01  package  rahim  200.00, from 2025-12-31  => refused before_joining
    """)
