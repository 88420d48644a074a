"""Refunds: of a payment, or of credit (docs/rules.md#refund)."""

from tests.support.tell import tell


def test_a_refund_lowers_paid_of_the_period_of_its_day() -> None:
    tell("""
        policy
        2026-02-01  signup  rahim  100.00 a month, joined 2026-01-01
        2026-01-05  pay     rahim  100.00, as p1
        2026-02-05  refund  rahim   40.00, of p1
        2026-01     paid 100.00  due   0.00
        2026-02     paid -40.00  due 140.00
    """)


def test_a_refund_needs_its_permission() -> None:
    tell("""
        policy
          staff clerk may cancel
        2026-01-01  signup  rahim  100.00 a month
        2026-01-05  refund  rahim   40.00, of nothing, by clerk  => refused not_permitted
    """)


def test_a_refund_of_a_payment_is_refused_for_the_first_reason_that_applies() -> None:
    tell("""
        policy
        2026-01-01  signup    rahim  100.00 a month
        2026-01-01  signup    karim  100.00 a month
        2026-01-05  pay       rahim  100.00, as p1
        2026-01-05  pay       rahim  100.00, as p2
        2026-01-05  adjust    rahim   10.00, as a1
        2026-01-05  cancel    rahim  payment p2
        2026-01-05  refund    rahim  999.00, of nothing  => refused unknown_target
        2026-01-05  refund    karim   10.00, of p1       => refused unknown_target
        2026-01-05  refund    rahim   10.00, of a1       => refused unknown_target
        2026-01-05  refund    rahim  999.00, of p2       => refused already_cancelled
        2026-01-05  refund    rahim  100.01, of p1       => refused exceeds_payment
    """)


def test_refunds_of_a_payment_stay_within_it_together() -> None:
    tell("""
        policy
        2026-01-01  signup  rahim  100.00 a month
        2026-01-05  pay     rahim  100.00, as p1
        2026-01-05  refund  rahim   60.00, of p1, as r1
        2026-01-05  refund  rahim   40.01, of p1  => refused exceeds_payment
        2026-01-05  refund  rahim   40.00, of p1
        2026-01-05  cancel  rahim  refund r1
        2026-01-05  refund  rahim   60.00, of p1
        2026-01     paid 0.00
    """)


def test_a_refund_of_credit_stays_within_the_credit_of_the_last_period() -> None:
    tell("""
        policy
        2026-01-01  signup  rahim  100.00 a month
        2026-01-05  refund  rahim    0.01  => refused exceeds_credit
        2026-01-05  pay     rahim  250.00
        2026-02-01  tick    2026-02
        2026-02-05  refund  rahim   50.01  => refused exceeds_credit
        2026-02-05  refund  rahim   50.00
        2026-01     due -150.00
        2026-02     due    0.00
    """)


def test_money_that_never_came_in_cannot_go_out() -> None:
    """A credit of 500.00, but only 120.00 of it was ever money."""
    tell("""
        policy
        2026-01-01  signup  rahim  100.00 a month
        2026-01-05  pay     rahim  120.00
        2026-01-05  adjust  rahim  -480.00
        2026-01-05  refund  rahim  120.01  => refused exceeds_credit
        2026-01-05  refund  rahim   50.00
        2026-01-05  refund  rahim   70.01  => refused exceeds_credit
        2026-01-05  refund  rahim   70.00
        2026-01     due -380.00
    """)


def test_opening_credit_is_money_that_came_in() -> None:
    tell("""
        policy
        2026-01-01  signup  rahim  100.00 a month, opening due -300.00
        2026-01-05  refund  rahim  200.01  => refused exceeds_credit
        2026-01-05  refund  rahim  200.00
        2026-01     due 0.00
    """)
