"""What a coverage costs: by day, rounded once (docs/rules.md#proration)."""

from datetime import date
from types import MappingProxyType
from typing import Any

from shared.ledger.charge import Piece, charge, coverage_end, new_bill, pieces, price
from shared.ledger.policy.policy import NO_POLICY, Policy, Staff, Tax
from shared.ledger.terms import Cycle, Package, Terms, always, replaced_from

JANUARY, FEBRUARY, MARCH = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)
VAT = Tax("VAT", 50_000, date(2020, 1, 1))


def terms(amount: int = 100_000, anchor: int = 1, **others: Any) -> Terms:
    basic = Terms(
        package=always(Package("home", amount)),
        cycle=always(Cycle("custom", anchor)),
        mode=always("cumulative"),
        vip=always(False),
        discount_ppm=always(0),
        vat_exempt=always(False),
    )
    return basic.changed(**others)


def test_a_full_cycle_costs_exactly_the_price_whatever_its_length() -> None:
    for starts, ends in ((JANUARY, FEBRUARY), (FEBRUARY, MARCH), (MARCH, date(2026, 4, 1))):
        assert charge(terms(99_999), starts, ends, 1) == (99_999, True)


def test_joining_on_17_january_costs_15_of_31_days() -> None:
    assert charge(terms(), date(2026, 1, 17), FEBRUARY, 1) == (48_387, True)


def test_the_days_of_a_cycle_are_those_of_the_cycle_that_the_day_lies_in() -> None:
    """Two days of a 31-day cycle and one of a 28-day cycle: 100.00 × (2/31 + 1/28)."""
    assert charge(terms(10_000, 31), date(2026, 1, 29), date(2026, 2, 1), 31) == (1_002, True)


def test_a_coverage_is_rounded_once_not_by_day_or_cycle() -> None:
    """0.01 a cycle: half of it twice is 0.01, but each half alone would be 0.01 too."""
    halves = (date(2026, 2, 15), date(2026, 3, 15))

    exact = charge(terms(1), *halves, 1)

    assert exact == (1, True)
    assert charge(terms(1), date(2026, 2, 15), MARCH, 1) == (1, True)
    assert charge(terms(1), MARCH, date(2026, 3, 17), 1) == (1, True)


def test_each_day_has_the_price_of_that_day() -> None:
    dearer = replaced_from(
        always(Package("home", 310_000)), date(2026, 1, 22), Package("fast", 620_000)
    )

    assert charge(terms(package=dearer), JANUARY, FEBRUARY, 1) == (410_000, True)


def test_days_not_active_are_not_charged() -> None:
    status = replaced_from(
        replaced_from(always("active"), date(2026, 1, 11), "suspended"), date(2026, 1, 31), "left"
    )
    back = replaced_from(status, date(2026, 2, 10), "active")

    assert charge(terms(310_000, status=status), JANUARY, FEBRUARY, 1) == (100_000, True)
    assert charge(terms(310_000, status=status), date(2026, 1, 11), FEBRUARY, 1) == (0, False)
    assert charge(terms(280_000, status=back), FEBRUARY, MARCH, 1) == (190_000, True)


def test_a_free_package_has_active_days_all_the_same() -> None:
    assert charge(terms(0), JANUARY, FEBRUARY, 1) == (0, True)


def test_pieces_tile_the_coverage() -> None:
    dearer = replaced_from(always(Package("home", 1)), date(2026, 1, 22), Package("fast", 2))

    found = list(pieces(terms(anchor=10, package=dearer), JANUARY, FEBRUARY, 10))

    assert found == [
        Piece(JANUARY, date(2026, 1, 10), 31, Package("home", 1), (), "active", 1),
        Piece(date(2026, 1, 10), date(2026, 1, 22), 31, Package("home", 1), (), "active", 1),
        Piece(date(2026, 1, 22), FEBRUARY, 31, Package("fast", 2), (), "active", 2),
    ]
    assert sum(piece.days for piece in found) == 31


def test_the_coverage_ends_on_next_months_anchor_in_force_on_its_first_day() -> None:
    cycle = replaced_from(always(Cycle("custom", 31)), date(2026, 2, 1), Cycle("custom", 5))

    assert coverage_end(terms(cycle=cycle), date(2026, 1, 31)) == date(2026, 2, 28)
    assert coverage_end(terms(cycle=cycle), date(2026, 2, 28)) == date(2026, 3, 5)


def test_the_discount_by_terms_is_rounded_and_vat_taken_on_the_rest() -> None:
    policy = Policy(1, (VAT,), MappingProxyType({"x": Staff(frozenset())}))
    discounted = terms(48_387, discount_ppm=always(125_000))

    bill = price(discounted, JANUARY, FEBRUARY, 1, policy)

    assert (bill.charge, bill.discount, bill.vat) == (48_387, 6_048, 2_117)


def test_percent_exemption_and_rates_are_those_of_the_first_day() -> None:
    day = date(2026, 1, 2)
    changing = terms(
        discount_ppm=replaced_from(always(0), day, 500_000),
        vat_exempt=replaced_from(always(False), day, True),
    )
    policy = Policy(1, (VAT._replace(ends=day), Tax("VAT", 200_000, day)))

    bill = price(changing, JANUARY, FEBRUARY, 1, policy)

    assert (bill.discount, bill.vat) == (0, 5_000)


def test_bills_in_memory_are_those_of_the_policy_asked_for() -> None:
    """Two fleets may share a process, terms and version numbers; never their taxes."""
    known = terms()

    plain = new_bill(known, JANUARY, NO_POLICY)
    taxed = new_bill(known, JANUARY, Policy(0, (VAT,)))

    assert (plain.vat, taxed.vat) == (0, 5_000)
    assert new_bill(known, JANUARY, NO_POLICY) is plain
    assert new_bill(known, JANUARY, NO_POLICY, ends=date(2026, 1, 17)).charge == 51_613
