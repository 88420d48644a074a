"""A new bill in the place of a cancelled one (docs/rules.md#rebill)."""

from tests.support.tell import tell


def test_a_rebill_has_the_old_coverage_and_anchor_and_the_prices_known_now() -> None:
    """The new price counts from the 16th: half of January's days at double the price."""
    tell("""
        policy
        2026-01-10  signup   rahim  3100.00 a month, custom day 10
        2026-01-10  terms    rahim, start of month, from 2026-01-10
        2026-01-10  cancel   rahim  bill 2026-01
        2026-01-10  package  rahim  6200.00, from 2026-01-20
        2026-01-11  rebill   rahim  2026-01, as again
        lines rahim
        1  2026-01  bill      charge 3100.00  covers 2026-01-10..2026-02-10
        2  2026-01  reversal  charge    0.00
        3  2026-01  bill      charge 5200.00  covers 2026-01-10..2026-02-10  command_id rebill/again
    """)


def test_a_rebill_reads_terms_on_its_first_day_and_the_policy_known_now() -> None:
    tell("""
        policy
          tax VAT 5 from 2020-01-01
        2026-01-01  signup  rahim  1000.00 a month, discount 10 %
        2026-01-02  terms   rahim, discount 50 %, from 2026-01-01
        policy
          tax VAT 10 from 2020-01-01 until 2026-01-05
          tax VAT 20 from 2026-01-05
        2026-01-10  cancel  rahim  bill 2026-01
        2026-01-10  rebill  rahim  2026-01
        2026-01     charge 1000.00  discount 100.00  vat 90.00  standing yes
    """)


def test_a_rebilled_bill_is_re_priced_with_what_was_frozen_anew() -> None:
    tell("""
        policy
          tax VAT 5 from 2020-01-01
        2026-01-01  signup   rahim  1000.00 a month
        policy
          tax VAT 10 from 2020-01-01
        2026-01-02  package  rahim  2000.00, from 2026-01-01
        2026-01     charge 2000.00  vat 100.00
        2026-01-10  cancel   rahim  bill 2026-01
        2026-01-10  rebill   rahim  2026-01
        policy
        2026-01-11  package  rahim  3000.00, from 2026-01-01
        2026-01     charge 3000.00  vat 300.00
    """)


def test_a_rebilled_bill_freezes_percent_and_exemption_anew() -> None:
    """February was billed ahead, so what is said of it in January counts when it is rebilled."""
    tell("""
        policy
          tax VAT 5 from 2020-01-01
        2026-01-01  signup   rahim  1000.00 a month
        2026-01-01  billto   rahim  2026-02-28
        2026-01-02  cancel   rahim  bill 2026-02
        2026-01-02  terms    rahim, discount 50 %, vat exempt, from 2026-02-01
        2026-01-02  rebill   rahim  2026-02
        2026-01-03  package  rahim  2000.00, from 2026-02-01
        2026-01-03  adjust   rahim   100.00, period 2026-02
        2026-01     charge 1000.00  discount    0.00  vat 50.00
        2026-02     charge 2100.00  discount 1000.00  vat  5.00
    """)


def test_a_rebill_keeps_adjustments_and_drops_discounts() -> None:
    tell("""
        policy
        2026-01-01  signup    rahim  1000.00 a month
        2026-01-02  adjust    rahim    50.00
        2026-01-02  discount  rahim   100.00
        2026-01-03  cancel    rahim  bill 2026-01
        2026-01-04  rebill    rahim  2026-01
        2026-01     charge 1050.00  discount 0.00  billed 1050.00
    """)


def test_a_rebill_with_no_active_day_is_a_skip_row() -> None:
    tell("""
        policy
        2026-01-01  signup   rahim  1000.00 a month
        2026-01-02  cancel   rahim  bill 2026-01
        2026-01-02  suspend  rahim, from 2026-01-01, prorate
        2026-01-02  rebill   rahim  2026-01
        lines rahim
        1  2026-01  bill
        2  2026-01  reversal
        3  2026-01  skip      billed 0.00
    """)


def test_a_skip_row_that_became_the_bill_is_cancelled_and_rebilled_like_any() -> None:
    tell("""
        policy
        2025-12-01  signup    rahim  3100.00 a month
        2025-12-20  suspend   rahim
        2026-01-01  tick      2026-01
        2026-01-20  resume    rahim, from 2026-01-22
        2026-01-21  discount  rahim  100.00, period 2026-01, as d
        2026-01-21  cancel    rahim  discount d
        2026-01-21  cancel    rahim  bill 2026-01
        2026-01-22  rebill    rahim  2026-01
        2025-12     standing yes
        2026-01     charge 1000.00  discount 0.00  standing yes
    """)


def test_a_rebill_is_refused_for_the_first_reason_that_applies() -> None:
    tell("""
        policy
          staff clerk may cancel
        2026-01-01  signup   rahim  1000.00 a month
        2026-01-02  suspend  rahim
        2026-02-01  tick     2026-02
        2026-02-02  rebill   rahim  2027-01, by clerk  => refused not_permitted
        2026-02-02  rebill   rahim  2027-01            => refused unknown_period
        2026-02-02  rebill   rahim  2025-12            => refused unknown_period
        2026-02-02  rebill   rahim  2026-02            => refused unknown_period
        2026-02-02  rebill   rahim  2026-01            => refused already_billed
    """)
