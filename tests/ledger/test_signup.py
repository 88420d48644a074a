"""What a signup bills, and what it is refused for (docs/rules.md#signup)."""

from tests.support.tell import tell


def test_a_late_signup_fills_forward_from_the_day_it_joined() -> None:
    tell("""
        2026-03-05  signup  rahim  1000.00 a month, joined 2026-01-17

        2026-01     covers 2026-01-17..2026-02-01  previous    0.00  charge  483.87  due  483.87
        2026-02     covers 2026-02-01..2026-03-01  previous  483.87  charge 1000.00  due 1483.87
        2026-03     covers 2026-03-01..2026-04-01  previous 1483.87  charge 1000.00  due 2483.87
    """)


def test_a_signup_bills_up_to_the_business_date_where_that_is_later() -> None:
    tell("""
        2026-02-01  tick    2026-02
        2026-01-17  signup  rahim  1000.00 a month

        2026-01     due  483.87
        2026-02     due 1483.87
    """)


def test_a_bill_day_is_reached_on_the_day_itself_and_not_before() -> None:
    tell("""
        2026-01-31  signup  rahim  1000.00 a month, joined 2026-01-01
        2026-02-01  signup  karim  1000.00 a month, joined 2026-01-01

        statement rahim
        2026-01     due 1000.00
        statement karim
        2026-01     due 1000.00
        2026-02     due 2000.00
    """)


def test_the_first_label_is_the_month_of_bill_from() -> None:
    tell("""
        2026-02-10  signup  rahim  1000.00 a month, joined 2026-01-17, billed from 2026-02-10

        2026-02     covers 2026-02-10..2026-03-01  charge 678.57
    """)


def test_a_signup_billed_from_a_later_day_has_no_period_yet() -> None:
    tell("""
        2026-01-17  signup  rahim  1000.00 a month, billed from 2026-02-01
        statement rahim
        2026-02-01  tick    2026-02
        2026-02     charge 1000.00
    """)


def test_the_first_period_opens_with_the_opening_due() -> None:
    tell("""
        policy
          staff clerk may discount
        2026-01-01  signup  rahim  1000.00 a month, opening due -250.00, by clerk, as s1  => refused not_permitted
        2026-01-01  signup  rahim  1000.00 a month, opening due -250.00

        2026-01     previous -250.00  billed 1000.00  due 750.00
    """)  # noqa: E501


def test_a_discount_or_exemption_by_terms_needs_its_permission() -> None:
    tell("""
        policy
          staff clerk may discount
          staff taxer may vat_exempt
        2026-01-01  signup  a  100.00 a month, discount 5 %, by taxer  => refused not_permitted
        2026-01-01  signup  b  100.00 a month, vat exempt, by clerk    => refused not_permitted
        2026-01-01  signup  c  100.00 a month, discount 5 %, by clerk
        2026-01-01  signup  d  100.00 a month, vat exempt, by taxer
        2026-01-01  signup  e  100.00 a month, by nobody
    """)


def test_a_discount_by_terms_stays_within_the_actors_limit() -> None:
    tell("""
        policy
          staff clerk may discount, up to 10
        2026-01-01  signup  rahim  100.00 a month, discount 10.1 %, by clerk, as s1  => refused over_limit
        2026-01-01  signup  rahim  100.00 a month, discount 10 %, by clerk, as s2
        2026-01     charge 100.00  discount 10.00  billed 90.00
    """)  # noqa: E501


def test_a_customer_that_exists_is_not_signed_up_again() -> None:
    tell("""
        policy
          staff clerk may discount, up to 10
        2026-01-01  signup  rahim  100.00 a month
        2026-01-02  signup  rahim  200.00 a month, as again  => refused already_signed_up
        2026-01-02  signup  rahim  200.00 a month, as third, discount 20 %, by clerk  => refused over_limit
        2026-01     charge 100.00
    """)  # noqa: E501


def test_more_than_36_bills_at_once_are_a_mistake() -> None:
    *_, rules = tell("""
        2026-01-01  signup  rahim  100.00 a month, joined 2023-01-01  => refused too_many_periods
        2026-01-01  signup  karim  100.00 a month, joined 2023-02-01
    """)

    assert len(rules.statement("karim")) == 36


def test_a_refused_signup_leaves_no_trace_and_a_corrected_one_may_follow() -> None:
    tell("""
        2026-01-01  pay     rahim   10.00, as p1  => parked
        2026-01-01  signup  rahim  100.00 a month, joined 2023-01-01, as s1  => refused too_many_periods
        2026-01-01  pay     rahim   20.00, as p2  => parked
        statement rahim
        2026-01-01  signup  rahim  100.00 a month, joined 2026-01-01, as s2
        2026-01     billed 100.00  paid 30.00  due 70.00
    """)  # noqa: E501


def test_a_vip_is_billed_like_anyone() -> None:
    tell("""
        policy
          staff clerk may discount
        2026-01-01  signup  rahim  100.00 a month, vip, by clerk, as s1  => refused not_permitted
        2026-01-01  signup  rahim  100.00 a month, vip
        2026-01     due 100.00
        expires rahim never
    """)
