"""Granted discounts never take more than there is (docs/rules.md#granted-discounts)."""

import random

import pytest

from shared.ledger.audit.gifts import limited
from shared.ledger.gifts import taken
from tests.ledger.test_line import LINE
from tests.support.tell import tell


def test_a_discount_takes_what_there_is_and_counts_in_full_again() -> None:
    """VAT is 10 %: of 1100.00, then of 110.00, of nothing, and of 2200.00."""
    tell("""
        policy
          tax VAT 10 from 2020-01-01
        2026-01-01  signup    rahim  1000.00 a month
        2026-01-02  discount  rahim   550.00, as d1
        2026-01     discount 500.00  vat 50.00  billed 550.00
        2026-01-03  package   rahim   100.00, from 2026-01-01
        2026-01     discount 100.00  vat  0.00  billed   0.00
        2026-01-04  suspend   rahim, from 2026-01-01, prorate
        2026-01     discount   0.00  vat  0.00  billed   0.00
        2026-01-05  adjust    rahim   -30.00
        2026-01     discount   0.00  vat -3.00  billed -33.00
        2026-01-06  resume    rahim, from 2026-01-01
        2026-01     discount  70.00  vat  0.00  billed   0.00
        2026-01-07  package   rahim  2000.00, from 2026-01-01
        2026-01     discount 500.00  vat 147.00  billed 1617.00
    """)


def test_the_vat_share_of_a_discount_is_never_more_than_the_vat_there_is() -> None:
    """A credit without VAT, and one with it, leave less VAT than the discount's share was."""
    tell("""
        policy
          tax VAT 10 from 2020-01-01
        2026-01-01  signup    rahim  1000.00 a month
        2026-01-02  discount  rahim   990.00
        2026-01     charge 1000.00  discount 900.00  vat 10.00  billed  110.00
        2026-01-03  adjust    rahim  1000.00, untaxed
        2026-01-03  adjust    rahim  -500.00
        2026-01     charge 1500.00  discount 940.00  vat  0.00  billed  560.00
    """)


def test_a_limit_is_judged_by_what_was_granted_not_by_what_it_takes() -> None:
    tell("""
        policy
          staff clerk may discount, up to 50
        2026-01-01  signup    rahim  1000.00 a month
        2026-01-02  discount  rahim   400.00, by clerk, as d1
        2026-01-03  package   rahim   300.00, from 2026-01-01
        2026-01     billed 0.00
        2026-01-03  discount  rahim     1.00, by clerk  => refused exceeds_bill
        2026-01-04  package   rahim   900.00, from 2026-01-01
        2026-01-04  discount  rahim    50.01, by clerk  => refused over_limit
        2026-01-04  discount  rahim    50.00, by clerk
        2026-01     billed 450.00
    """)


def test_an_undo_of_a_discounts_cancellation_lifts_no_limit() -> None:
    tell("""
        policy
          staff clerk may discount, up to 10
        2026-01-01  signup    rahim  1000.00 a month
        2026-01-02  discount  rahim   100.00, by clerk, as d1
        2026-01-02  cancel    rahim  discount d1, as x1
        2026-01-02  discount  rahim     0.01, by clerk, as d2
        2026-01-02  undo      rahim  x1               => refused over_limit
        2026-01-02  cancel    rahim  discount d2
        2026-01-02  undo      rahim  x1
        2026-01     billed 900.00
    """)


def test_discounts_come_back_in_full_with_their_bill() -> None:
    tell("""
        policy
        2026-01-01  signup    rahim  1000.00 a month
        2026-01-02  discount  rahim   600.00, as d1
        2026-01-03  cancel    rahim  bill 2026-01, as x1
        2026-01-03  package   rahim   500.00, from 2026-01-01
        2026-01-04  undo      rahim  x1
        2026-01     discount 500.00  billed    0.00
        2026-01-05  package   rahim  2000.00, from 2026-01-01
        2026-01     discount 600.00  billed 1400.00
        2026-01-06  cancel    rahim  discount d1
        2026-01     discount   0.00  billed 2000.00
    """)


@pytest.mark.parametrize("seed", range(20))
def test_the_audit_says_the_same_of_what_discounts_take(seed: int) -> None:
    """Written twice on purpose (`gifts.py`, `audit/gifts.py`)."""
    chosen = random.Random(seed)
    for _ in range(500):
        net, vat = chosen.randint(-50, 100), chosen.randint(-20, 30)
        gifts = chosen.choice((0, chosen.randint(1, 120), max(0, net + vat)))
        share = chosen.randint(0, gifts) if gifts else 0
        line = LINE._replace(
            charge=net, discount=0, vat=vat, granted_discount=0, granted_vat=0, gifts=gifts,
            gifts_vat=share,
        )  # fmt: skip

        after = limited(line)

        discount, vat_share = taken(gifts, share, net + vat, vat)
        assert (after.granted_discount, after.granted_vat) == (discount, vat_share)
        assert (after.discount, after.vat) == (discount, vat - vat_share)
        if gifts >= net + vat > 0:
            assert after.billed == 0
