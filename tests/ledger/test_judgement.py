"""The order of judgement, parking and sameness (docs/rules.md#judgement)."""

from datetime import UTC, date, datetime

from shared.ledger.arrival import Arrival
from shared.ledger.commands import Command, PaymentReceived
from shared.ledger.fold import Fold
from shared.ledger.world import World
from tests.support.rules import Rules
from tests.support.tell import tell


def test_what_comes_before_the_signup_waits_and_applies_in_the_order_it_came() -> None:
    tell("""
        policy
        2026-01-02  pay     rahim   50.00, as p1         => parked
        2026-01-02  refund  rahim   20.00, of p1, as r1  => parked
        2026-01-03  cancel  rahim  bill 2026-01, as c1   => parked
        2026-01-05  signup  rahim  100.00 a month, joined 2026-01-01
        lines rahim
        1  2026-01  bill      command_id bill/rahim/2026-01
        2  2026-01  payment   command_id payment/p1
        3  2026-01  refund    command_id refund/r1
        4  2026-01  reversal  command_id cancellation/c1
    """)


def test_what_is_parked_applies_when_the_signup_has_posted_all_its_bills() -> None:
    tell("""
        2026-02-20  pay     rahim   50.00  => parked
        2026-03-05  signup  rahim  100.00 a month, joined 2026-01-01
        2026-01     paid  0.00
        2026-02     paid 50.00
        2026-03     paid  0.00
    """)


def test_not_signed_up_goes_before_not_permitted() -> None:
    *_, rules = tell("""
        policy
          staff clerk may cancel
        2026-01-02  adjust  rahim   50.00, as a1, by clerk  => parked
        2026-01-05  signup  rahim  100.00 a month
        2026-01     billed 87.10
    """)

    assert rules.outcomes["adjustment/a1"] == ("refused", "not_permitted")  # type: ignore[attr-defined]


def test_not_permitted_goes_before_no_period_yet() -> None:
    tell("""
        policy
          staff clerk may cancel
        2026-01-05  signup  rahim  100.00 a month, billed from 2026-02-01
        2026-01-06  adjust  rahim   50.00, by clerk  => refused not_permitted
        2026-01-06  adjust  rahim   50.00            => parked
        2026-01-06  cancel  rahim  bill 2030-01      => parked
        2026-02-01  tick    2026-02
        2026-02     billed 150.00
    """)


def test_every_event_about_payments_waits_for_the_first_period() -> None:
    tell("""
        policy
        2026-01-05  signup    rahim  100.00 a month, billed from 2026-02-01
        2026-01-06  pay       rahim   50.00  => parked
        2026-01-06  discount  rahim   10.00  => parked
        2026-01-06  adjust    rahim   10.00  => parked
        2026-01-06  refund    rahim   10.00  => parked
        2026-01-06  cancel    rahim  payment p  => parked
        2026-01-06  billto    rahim  2026-03-31 => parked
        2026-01-06  rebill    rahim  2026-02    => parked
        2026-01-06  terms     rahim, monthly
        statement rahim
        2026-01-06  signup    rahim  100.00 a month, as again  => refused already_signed_up
    """)


def test_a_change_parked_before_the_signup_needs_no_period_to_apply() -> None:
    tell("""
        2026-01-01  package  rahim  200.00, from 2026-02-01  => parked
        2026-01-05  signup   rahim  100.00 a month, joined 2026-01-01, billed from 2026-02-01
        2026-02-01  tick     2026-02
        2026-02     billed 200.00
    """)


def test_where_a_parked_event_makes_the_first_period_those_before_it_go_next() -> None:
    """The change of 10 February bills the first label; the payment before it came first."""
    tell("""
        policy
        2026-01-02  pay      rahim   50.00, as p1    => parked
        2026-02-10  terms    rahim, monthly, as ch   => parked
        2026-01-03  pay      rahim   60.00, as p2    => parked
        2026-01-05  signup   rahim  100.00 a month, billed from 2026-02-01
        lines rahim
        1  2026-02  bill     command_id bill/rahim/2026-02
        2  2026-02  payment  command_id payment/p1
        3  2026-02  payment  command_id payment/p2
    """)


def test_what_is_parked_applies_when_a_change_makes_the_first_period() -> None:
    tell("""
        2026-01-05  signup  rahim  100.00 a month, billed from 2026-02-01
        2026-01-06  pay     rahim   50.00  => parked
        2026-02-10  terms   rahim, monthly
        2026-02     paid 50.00
    """)


def test_a_parked_event_may_be_refused_when_it_applies() -> None:
    *_, rules = tell("""
        policy
        2026-01-02  discount  rahim  900.00, as d1  => parked
        2026-01-05  signup    rahim  100.00 a month
        2026-01     billed 87.10
    """)

    assert rules.outcomes["discount/d1"] == ("refused", "exceeds_bill")  # type: ignore[attr-defined]


def test_the_same_event_again_is_quiet_and_another_under_its_id_a_conflict() -> None:
    tell("""
        2026-01-01  signup  rahim  100.00 a month
        2026-01-01  signup  rahim  100.00 a month  => duplicate
        2026-01-01  signup  rahim  200.00 a month  => refused conflicting_duplicate
        2026-01-02  pay     rahim   50.00, as p1
        2026-01-02  pay     rahim   50.00, as p1   => duplicate
        2026-01-02  pay     rahim   60.00, as p1   => refused conflicting_duplicate
        2026-01-02  pay     rahim   50.00, as p1   => duplicate
        2026-01-31  tick    2026-01, as t
        2026-01-31  tick    2026-01, as t          => duplicate
        2026-02-01  tick    2026-02, as t          => refused conflicting_duplicate
        2026-01     paid 50.00
    """)


def test_a_refused_id_is_seen_and_stays_refused() -> None:
    tell("""
        policy
        2026-01-01  signup  rahim  100.00 a month
        2026-01-02  refund  rahim   50.00, as r1  => refused exceeds_credit
        2026-01-02  pay     rahim  500.00
        2026-01-02  refund  rahim   50.00, as r1  => duplicate
        2026-01     paid 500.00
    """)


def test_a_parked_id_counts_as_seen() -> None:
    tell("""
        2026-01-02  pay     rahim   50.00, as p1  => parked
        2026-01-02  pay     rahim   50.00, as p1  => duplicate
        2026-01-02  pay     rahim   70.00, as p1  => refused conflicting_duplicate
        2026-01-05  signup  rahim  100.00 a month
        2026-01-02  pay     rahim   50.00, as p1  => duplicate
        2026-01     paid 50.00
    """)


def test_duplicate_or_conflict_goes_before_all_else() -> None:
    tell("""
        policy
          staff clerk may cancel
        2026-01-01  signup  rahim  100.00 a month
        2026-01-02  adjust  rahim   50.00, as a1
        2026-01-02  adjust  rahim   50.00, as a1, by clerk  => refused conflicting_duplicate
    """)


def test_without_a_policy_nobody_may_do_what_needs_a_permission() -> None:
    tell("""
        2026-01-01  signup    rahim  100.00 a month
        2026-01-02  discount  rahim    1.00           => refused not_permitted
        2026-01-02  adjust    rahim    1.00           => refused not_permitted
        2026-01-02  refund    rahim    1.00           => refused not_permitted
        2026-01-02  cancel    rahim  bill 2026-01     => refused not_permitted
        2026-01-02  billto    rahim  2026-03-31       => refused not_permitted
        2026-01-02  rebill    rahim  2026-01          => refused not_permitted
        2026-01     charge 100.00  vat 0.00
    """)


def test_a_quarantined_customers_commands_wait_and_others_go_on() -> None:
    *_, rules = tell("""
        2026-01-01  signup  broken  100.00 a month
        2026-01-01  signup  rahim   100.00 a month
    """)
    assert isinstance(rules, Rules)
    accounts = dict(rules.accounts)
    accounts["broken"].hash = None  # type: ignore[assignment]
    fold = Fold(World(datetime(2026, 1, 2, tzinfo=UTC)), accounts)

    fold.take([_paid("p1", "broken"), _paid("p2", "broken"), _paid("p3", "rahim")])

    assert [(judged.outcome, judged.reason) for judged in fold.judged] == [
        ("parked", "quarantined"),
        ("parked", "quarantined"),
        ("accepted", None),
    ]
    assert [arrival.command_id for arrival in fold.parked["broken"]] == ["payment/p1", "payment/p2"]
    assert list(fold.broken) == ["broken"]


def _paid(payment_id: str, customer_id: str) -> Arrival[Command]:
    day = date(2026, 1, 2)
    command = PaymentReceived(
        f"payment/{payment_id}", customer_id, 100, "cash", "field", day, None, "field-1"
    )
    return Arrival("payment", command, repr(command))


def test_a_cancellation_withdraws_what_waits_for_whoever_may_cancel() -> None:
    """The customer need not be there; the money of another one stays, and what is withdrawn stays
    so."""
    tell("""
        policy
          staff clerk may discount
        2026-01-01  pay     rahim   10.00, reference r, as p1   => parked
        2026-01-01  pay     karim   20.00, as p2                => parked
        2026-01-02  cancel  rahim  payment p1, as x1, by clerk  => refused not_permitted
        2026-01-02  cancel  rahim  payment p2, as x2            => parked
        2026-01-02  cancel  rahim  payment p1, as x3
        2026-01-02  cancel  rahim  payment p1, as x3            => duplicate
        2026-01-03  signup  rahim  100.00 a month
        2026-01-03  signup  karim  100.00 a month
        2026-01-04  undo    rahim  x3                           => refused unknown_target
        2026-01-04  pay     rahim   10.00, reference r, as p1   => refused conflicting_duplicate
        2026-01-04  pay     rahim    5.00, reference r, as p3
        statement rahim
        2026-01     paid  5.00
        statement karim
        2026-01     paid 20.00
    """)


def test_a_cancellation_that_waited_itself_withdraws_nothing() -> None:
    tell("""
        policy
        2026-01-01  cancel  rahim  payment p1, as x1  => parked
        2026-01-02  pay     rahim   10.00, as p1      => parked
        2026-01-03  signup  rahim  100.00 a month
        2026-01     paid 10.00
    """)
