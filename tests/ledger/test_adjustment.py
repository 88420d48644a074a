"""Adjustments and their VAT (docs/rules.md#adjustment)."""

from tests.support.tell import tell


def test_a_sale_has_the_rates_of_its_day_and_a_credit_those_of_its_bill() -> None:
    tell("""
        policy
          tax VAT 5 from 2020-01-01 until 2026-02-01
          tax VAT 10 from 2026-02-01
        2026-01-01  signup  rahim  1000.00 a month
        2026-01-31  adjust  rahim   100.00
        2026-01     charge 1100.00  vat 55.00
        2026-02-01  adjust  rahim  -200.00, period 2026-01
        2026-01     charge  900.00  vat 45.00
        2026-02-01  adjust  rahim   100.00, period 2026-01
        2026-01     charge 1000.00  vat 55.00
    """)


def test_a_credit_where_no_bill_stands_has_the_rates_and_exemption_of_its_day() -> None:
    tell("""
        policy
          tax VAT 5 from 2020-01-01 until 2026-02-01
          tax VAT 10 from 2026-02-01
        2026-01-01  signup  rahim  1000.00 a month
        2026-01-02  cancel  rahim  bill 2026-01
        2026-02-03  adjust  rahim  -200.00, period 2026-01
        2026-01     charge -200.00  vat -20.00
        2026-02-04  terms   rahim, vat exempt
        2026-02-05  adjust  rahim  -100.00, period 2026-01
        2026-01     charge -300.00  vat -20.00
        2026-02     charge 1000.00
    """)


def test_an_untaxed_adjustment_bears_no_vat_and_needs_a_permission_of_its_own() -> None:
    tell("""
        policy
          tax VAT 10 from 2020-01-01
          staff clerk may adjust
        2026-01-01  signup  rahim  1000.00 a month
        2026-01-02  adjust  rahim   100.00, untaxed, by clerk  => refused not_permitted
        2026-01-02  adjust  rahim   100.00, untaxed
        2026-01-02  adjust  rahim   -50.00, untaxed
        2026-01     charge 1050.00  vat 100.00
    """)


def test_an_adjustment_uses_the_policy_known_now_not_the_bills() -> None:
    tell("""
        policy
          tax VAT 5 from 2020-01-01
        2026-01-01  signup  rahim  1000.00 a month
        policy
          tax VAT 20 from 2020-01-01
        2026-01-05  adjust  rahim   100.00
        2026-01     charge 1100.00  vat 70.00
    """)


def test_a_credit_on_an_exempt_bill_bears_no_vat_and_a_sale_the_customers_own() -> None:
    tell("""
        policy
          tax VAT 5 from 2020-01-01
        2026-01-01  signup  rahim  1000.00 a month, vat exempt
        2026-01-05  terms   rahim, with vat
        2026-01-05  adjust  rahim  -100.00
        2026-01     charge 900.00  vat 0.00
        2026-01-05  adjust  rahim   100.00
        2026-01     charge 1000.00  vat 5.00
    """)


def test_an_adjustment_of_a_skip_row_follows_the_exemption_of_its_own_day() -> None:
    tell("""
        policy
          tax VAT 10 from 2020-01-01
        2026-01-01  signup   rahim  1000.00 a month
        2026-01-02  suspend  rahim
        2026-01-02  terms    rahim, vat exempt, from 2026-03-01
        2026-03-01  tick     2026-03, allow gap
        2026-02-28  adjust   rahim  100.00, period 2026-03
        2026-03-05  adjust   rahim  100.00, period 2026-02
        2026-01     vat 100.00
        2026-02     vat   0.00  standing no
        2026-03     vat  10.00  standing no
    """)


def test_an_adjustment_needs_its_permission_and_a_period() -> None:
    tell("""
        policy
          staff clerk may discount
        2026-01-01  signup  rahim  1000.00 a month
        2026-01-05  adjust  rahim  100.00, period 2027-01, by clerk  => refused not_permitted
        2026-01-05  adjust  rahim  100.00, period 2027-01  => refused unknown_period
        2026-01-05  adjust  rahim  100.00, period 2025-12  => refused unknown_period
    """)


def test_a_proration_leaves_adjustments_and_granted_discounts_as_they_are() -> None:
    tell("""
        policy
          tax VAT 10 from 2020-01-01
        2026-01-01  signup    rahim  3100.00 a month
        2026-01-05  adjust    rahim   100.00
        2026-01-05  discount  rahim    35.20
        2026-01     charge 3200.00  discount  32.00  vat 316.80
        2026-01-05  package   rahim  6200.00, from 2026-01-01
        2026-01     charge 6300.00  discount  32.00  vat 626.80
    """)
