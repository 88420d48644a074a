"""Cancellations and their undoing (docs/rules.md#cancellation)."""

from datetime import date

from shared.ledger.commands import CancellationRequested
from tests.support.tell import tell


def test_a_cancelled_bill_takes_its_discounts_along_and_leaves_adjustments() -> None:
    tell("""
        policy
          tax VAT 10 from 2020-01-01
        2026-02-01  signup    rahim  1000.00 a month, joined 2026-01-01, discount 10 %
        2026-02-02  adjust    rahim   100.00, period 2026-01
        2026-02-02  discount  rahim    11.00, period 2026-01
        2026-01     charge 1100.00  discount 110.00  vat 99.00  billed 1089.00
        2026-02     charge 1000.00  discount 100.00  vat 90.00  billed  990.00
        2026-02-03  cancel    rahim  bill 2026-01, as c1
        2026-01     charge  100.00  discount   0.00  vat 10.00  billed  110.00  standing no
        2026-02     previous 110.00  due 1100.00
        2026-02-04  undo      rahim  c1
        2026-01     charge 1100.00  discount 110.00  vat 99.00  billed 1089.00  standing yes
        2026-02     previous 1089.00  due 2079.00
    """)


def test_a_cancellation_is_one_reversal_in_the_targets_own_period_and_restatements() -> None:
    tell("""
        policy
        2026-02-01  signup  rahim  1000.00 a month, joined 2026-01-01
        2026-02-03  cancel  rahim  bill 2026-01, as c1
        2026-02-04  undo    rahim  c1, as c2
        lines rahim
        1  2026-01  bill
        2  2026-02  bill
        3  2026-01  reversal     due    0.00  command_id cancellation/c1  reverses bill/rahim/2026-01
        4  2026-02  restatement  due 1000.00  command_id cancellation/c1  reverses None
        5  2026-01  reversal     due 1000.00  command_id cancellation/c2  reverses cancellation/c1
        6  2026-02  restatement  due 2000.00  command_id cancellation/c2  reverses None
    """)  # noqa: E501


def test_a_cancelled_month_counts_as_billed_and_is_not_made_again() -> None:
    tell("""
        policy
        2026-01-01  signup  rahim  1000.00 a month
        2026-01-02  cancel  rahim  bill 2026-01
        2026-01-31  tick    2026-01
        2026-02-01  tick    2026-02
        2026-01     billed    0.00  standing no
        2026-02     billed 1000.00  standing yes
    """)


def test_an_undo_prices_a_bill_anew_from_the_prices_and_statuses_known_now() -> None:
    tell("""
        policy
        2026-01-01  signup   rahim  1000.00 a month
        2026-01-02  cancel   rahim  bill 2026-01, as c1
        2026-01-03  package  rahim  5000.00, from 2026-01-01
        2026-01-04  undo     rahim  c1
        2026-01     charge 5000.00  standing yes
        2026-01-04  cancel   rahim  bill 2026-01, as c2
        2026-01-05  suspend  rahim, from 2026-01-01, prorate
        2026-01-05  undo     rahim  c2
        2026-01     charge    0.00  standing yes
    """)


def test_a_restored_bill_is_re_priced_with_its_own_percent_exemption_and_rates() -> None:
    *_, rules = tell("""
        policy
          tax VAT 10 from 2020-01-01
        2026-01-01  signup   rahim  1000.00 a month, discount 10 %
        2026-01-01  billto   rahim  2026-02-28
        2026-01-02  cancel   rahim  bill 2026-02, as c1
        2026-01-02  terms    rahim, discount 50 %, vat exempt, from 2026-02-01
        policy
          tax VAT 20 from 2020-01-01
        2026-01-02  rebill   rahim  2026-02
        2026-01     due 990.00
        2026-02     charge 1000.00  discount 500.00  vat   0.00  due 1490.00
        2026-01-03  cancel   rahim  bill 2026-02
        2026-01-03  undo     rahim  c1, as c3
        2026-01     due 990.00
        2026-02     charge 1000.00  discount 100.00  vat  90.00  due 1980.00
        2026-01-04  package  rahim  2000.00, from 2026-02-01
        2026-01     due 990.00
        2026-02     charge 2000.00  discount 200.00  vat 180.00  due 2970.00
        2026-01-04  adjust   rahim   100.00, period 2026-02
        2026-01     due 990.00
        2026-02     charge 2100.00  discount 200.00  vat 200.00  due 3090.00
    """)

    [undo] = [line for line in rules.lines("rahim") if line.command_id == "cancellation/c3"]
    assert undo.policy_version == 1


def test_an_undo_leaves_adjustments_made_meanwhile() -> None:
    tell("""
        policy
          tax VAT 10 from 2020-01-01
        2026-01-01  signup  rahim  1000.00 a month
        2026-01-02  adjust  rahim   100.00, as before
        2026-01-02  cancel  rahim  bill 2026-01, as c1
        2026-01-03  adjust  rahim    10.00
        2026-01-03  cancel  rahim  adjustment before
        2026-01-04  undo    rahim  c1
        2026-01     charge 1010.00  vat 101.00
    """)


def test_a_later_period_whose_due_does_not_move_gets_no_line() -> None:
    tell("""
        policy
        2026-02-01  signup  rahim  0.00 a month, joined 2026-01-01
        2026-02-02  cancel  rahim  bill 2026-01
        lines rahim
        1  2026-01  bill
        2  2026-02  bill
        3  2026-01  reversal
    """)


def test_payment_discount_adjustment_and_refund_are_taken_back_exactly() -> None:
    """VAT of the discount: 105.00 × 50.00 / 1050.00 = 5.00; of the adjustment, 0.17."""
    tell("""
        policy
          tax VAT 5 from 2020-01-01
        2026-01-01  signup    rahim  1000.00 a month
        2026-01-02  pay       rahim   500.00, as p
        2026-01-02  refund    rahim   100.00, of p, as r
        2026-01-02  discount  rahim   105.00, as d
        2026-01-02  adjust    rahim     3.33, as a
        2026-01     charge 1003.33  discount 100.00  vat 45.17  paid 400.00
        2026-01-03  cancel    rahim  refund r, as cr
        2026-01     charge 1003.33  discount 100.00  vat 45.17  paid 500.00
        2026-01-03  cancel    rahim  payment p, as cp
        2026-01     charge 1003.33  discount 100.00  vat 45.17  paid   0.00
        2026-01-03  cancel    rahim  discount d, as cd
        2026-01     charge 1003.33  discount   0.00  vat 50.17  paid   0.00
        2026-01-03  cancel    rahim  adjustment a, as ca
        2026-01     charge 1000.00  discount   0.00  vat 50.00  paid   0.00
        2026-01-04  undo      rahim  cp
        2026-01-04  undo      rahim  cr
        2026-01-04  undo      rahim  cd
        2026-01-04  undo      rahim  ca
        2026-01     charge 1003.33  discount 100.00  vat 45.17  paid 400.00
    """)


def test_the_original_can_be_cancelled_anew_after_an_undo() -> None:
    tell("""
        policy
        2026-01-01  signup  rahim  1000.00 a month
        2026-01-02  cancel  rahim  bill 2026-01, as c1
        2026-01-03  undo    rahim  c1, as c2
        2026-01-04  cancel  rahim  bill 2026-01, as c3
        2026-01-04  undo    rahim  c1  => refused already_cancelled
        2026-01     billed 0.00
        2026-01-05  undo    rahim  c3
        2026-01     billed 1000.00
    """)


def test_an_undo_cannot_be_undone() -> None:
    tell("""
        policy
        2026-01-01  signup  rahim  1000.00 a month
        2026-01-02  cancel  rahim  bill 2026-01, as c1
        2026-01-03  undo    rahim  c1, as c2
        2026-01-04  undo    rahim  c2  => refused not_cancellable
    """)


def test_a_target_must_be_this_customers_and_accepted() -> None:
    tell("""
        policy
        2026-01-01  signup   rahim  1000.00 a month, as s1
        2026-01-01  signup   karim  1000.00 a month
        2026-01-02  pay      rahim   500.00, as p1
        2026-01-02  package  rahim  1000.00, as ch
        2026-01-02  billto   rahim  2026-02-28, as up
        2026-01-02  refund   rahim  9999.00, of p1, as r1  => refused exceeds_payment
        2026-01-03  cancel   karim  payment p1         => refused unknown_target
        2026-01-03  cancel   karim  bill 2027-01       => refused unknown_target
        2026-01-03  cancel   rahim  refund r1          => refused unknown_target
        2026-01-03  cancel   rahim  signup s1          => refused unknown_target
        2026-01-03  cancel   rahim  change ch          => refused unknown_target
        2026-01-03  cancel   rahim  bill_up_to up      => refused unknown_target
        2026-01-03  cancel   rahim  payment p9         => refused unknown_target
        2026-01-03  cancel   rahim  bill 2026-02
        2026-01-03  cancel   rahim  cancellation none  => refused unknown_target
    """)


def test_a_bill_of_another_customer_is_no_target() -> None:
    *_, rules = tell("""
        policy
        2026-01-01  signup  rahim  1000.00 a month
        2026-01-01  signup  karim  1000.00 a month
    """)
    day = date(2026, 1, 2)

    for target in ("bill/karim/2026-01", "bill/rahim/2026-1", "bill/rahim", "bill/x/rahim/2026-01"):
        other = CancellationRequested(f"cancellation/{target}", "rahim", target, day, "boss", "?")
        assert rules.apply(other) == ("refused", "unknown_target")


def test_a_skip_row_is_no_bill_to_cancel() -> None:
    tell("""
        policy
        2026-01-01  signup   rahim  1000.00 a month
        2026-01-02  suspend  rahim
        2026-02-01  tick     2026-02
        2026-02-02  cancel   rahim  bill 2026-02  => refused unknown_target
    """)


def test_what_is_cancelled_is_not_cancelled_again() -> None:
    tell("""
        policy
        2026-01-01  signup    rahim  1000.00 a month
        2026-01-02  pay       rahim   500.00, as p
        2026-01-02  refund    rahim   100.00, of p, as r
        2026-01-02  adjust    rahim    10.00, as a
        2026-01-02  discount  rahim    10.00, as d
        2026-01-02  discount  rahim    20.00, as with-its-bill
        2026-01-03  cancel    rahim  refund r
        2026-01-03  cancel    rahim  payment p
        2026-01-03  cancel    rahim  adjustment a
        2026-01-03  cancel    rahim  discount d
        2026-01-03  cancel    rahim  bill 2026-01
        2026-01-04  cancel    rahim  refund r                => refused already_cancelled
        2026-01-04  cancel    rahim  payment p               => refused already_cancelled
        2026-01-04  cancel    rahim  adjustment a            => refused already_cancelled
        2026-01-04  cancel    rahim  discount d              => refused already_cancelled
        2026-01-04  cancel    rahim  discount with-its-bill  => refused already_cancelled
        2026-01-04  cancel    rahim  bill 2026-01            => refused already_cancelled
    """)


def test_a_payment_with_a_live_refund_stays() -> None:
    tell("""
        policy
        2026-01-01  signup  rahim  1000.00 a month
        2026-01-02  pay     rahim   500.00, as p
        2026-01-02  refund  rahim   100.00, of p, as r
        2026-01-03  cancel  rahim  payment p  => refused has_refunds
        2026-01-03  cancel  rahim  refund r, as cr
        2026-01-03  cancel  rahim  payment p
        2026-01-04  undo    rahim  cr  => refused exceeds_payment
    """)


def test_an_undo_is_superseded_by_a_bill_that_stands() -> None:
    tell("""
        policy
        2026-01-01  signup  rahim  1000.00 a month
        2026-01-02  cancel  rahim  bill 2026-01, as c1
        2026-01-03  rebill  rahim  2026-01
        2026-01-04  undo    rahim  c1  => refused superseded
        2026-01-05  cancel  rahim  bill 2026-01
        2026-01-06  undo    rahim  c1
        2026-01     billed 1000.00  standing yes
    """)


def test_an_undo_of_a_discount_needs_its_own_bill_to_stand() -> None:
    tell("""
        policy
        2026-01-01  signup    rahim  1000.00 a month
        2026-01-02  discount  rahim   100.00, as d
        2026-01-02  cancel    rahim  discount d, as cd
        2026-01-02  cancel    rahim  bill 2026-01, as cb
        2026-01-03  undo      rahim  cd  => refused superseded
        2026-01-03  rebill    rahim  2026-01
        2026-01-03  undo      rahim  cd  => refused superseded
        2026-01-04  cancel    rahim  bill 2026-01
        2026-01-04  undo      rahim  cb
        2026-01-04  undo      rahim  cd
        2026-01     billed 900.00
    """)


def test_the_rebilled_bill_goes_by_the_same_name() -> None:
    tell("""
        policy
        2026-01-01  signup   rahim  1000.00 a month
        2026-01-02  cancel   rahim  bill 2026-01
        2026-01-03  package  rahim  2000.00, from 2026-01-01
        2026-01-03  rebill   rahim  2026-01
        2026-01-04  cancel   rahim  bill 2026-01, as c2
        2026-01     billed    0.00
        2026-01-05  undo     rahim  c2
        2026-01     billed 2000.00
    """)


def test_over_a_rebilled_skip_row_the_old_bill_may_come_back() -> None:
    tell("""
        policy
        2026-01-01  signup   rahim  1000.00 a month
        2026-01-02  cancel   rahim  bill 2026-01, as c1
        2026-01-03  suspend  rahim, from 2026-01-01, prorate
        2026-01-03  rebill   rahim  2026-01
        2026-01     billed    0.00  standing no
        2026-01-04  cancel   rahim  bill 2026-01  => refused already_cancelled
        2026-01-04  rebill   rahim  2026-01       => refused unknown_period
        2026-01-05  resume   rahim, from 2026-02-01
        2026-01-05  undo     rahim  c1
        2026-01     billed    0.00  standing yes
        2026-01-06  resume   rahim, from 2026-01-01
        2026-01     billed 1000.00  standing yes
    """)


def test_an_undo_over_a_rebilled_skip_row_that_grew_prices_the_days_it_covers_now() -> None:
    """The skip row in the bill's place is extended to 9 February: 31 and 9 of 28 days."""
    tell("""
        policy
        2026-01-01  signup   rahim  2800.00 a month, custom day 1
        2026-01-02  cancel   rahim  bill 2026-01, as c1
        2026-01-03  suspend  rahim, from 2026-01-01, prorate
        2026-01-03  rebill   rahim  2026-01
        2026-01-03  billto   rahim  2026-02-09
        2026-01-04  undo     rahim  c1
        2026-01-05  resume   rahim, from 2026-01-01
        2026-01     charge 3700.00  covers 2026-01-01..2026-02-10
    """)


def test_an_undone_payment_needs_its_reference_to_be_free_still() -> None:
    tell("""
        policy
        2026-01-01  signup  rahim  1000.00 a month
        2026-01-02  pay     rahim   100.00, reference r, as p1
        2026-01-03  cancel  rahim  payment p1, as c1
        2026-01-04  pay     rahim   200.00, reference r, as p2
        2026-01-05  undo    rahim  c1  => refused reference_already_used
        2026-01-06  cancel  rahim  payment p2, as c2
        2026-01-07  undo    rahim  c1
        2026-01-08  undo    rahim  c2  => refused reference_already_used
        2026-01     paid 100.00
    """)


def test_an_undone_refund_must_fit_again() -> None:
    tell("""
        policy
        2026-01-01  signup  rahim  100.00 a month
        2026-01-02  pay     rahim  300.00, as p
        2026-01-02  refund  rahim  200.00, as credit
        2026-01-03  cancel  rahim  refund credit, as c1
        2026-01-04  refund  rahim    0.01
        2026-01-05  undo    rahim  c1  => refused exceeds_credit
        2026-01-06  refund  rahim   90.00, of p, as part
        2026-01-06  cancel  rahim  refund part, as c2
        2026-01-06  refund  rahim  210.01, of p
        2026-01-07  undo    rahim  c2  => refused exceeds_payment
        2026-01     paid 89.98
    """)


def test_an_undone_refund_of_a_payment_pays_out_no_money_that_never_came_in() -> None:
    """The payment itself would allow it, but its money went out as credit meanwhile."""
    tell("""
        policy
        2026-01-01  signup  rahim  100.00 a month
        2026-01-02  pay     rahim  300.00, as p
        2026-01-03  refund  rahim  200.00, of p, as part
        2026-01-03  cancel  rahim  refund part, as c1
        2026-01-04  refund  rahim  200.00, as credit
        2026-01-05  undo    rahim  c1  => refused exceeds_payment
        2026-01-06  cancel  rahim  refund credit
        2026-01-07  undo    rahim  c1
        2026-01     paid 100.00
    """)


def test_a_cancellation_needs_its_permission() -> None:
    tell("""
        policy
          staff clerk may discount
        2026-01-01  signup  rahim  100.00 a month
        2026-01-02  cancel  rahim  bill 2027-01, by clerk  => refused not_permitted
    """)


def test_a_reversal_stays_in_its_period_however_late_it_comes() -> None:
    tell("""
        policy
        2026-03-01  signup  rahim  100.00 a month, joined 2026-01-01
        2026-01-02  pay     rahim   50.00, as p
        2026-03-05  cancel  rahim  payment p
        2026-01     paid 0.00
        2026-02     paid 0.00
        2026-03     paid 0.00
    """)
