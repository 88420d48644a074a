"""Taxes in force and permissions (docs/rules.md#vat, docs/policy.md)."""

from datetime import date
from types import MappingProxyType

from shared.ledger.policy.policy import NO_POLICY, Policy, Staff, Tax

OLD, NEW = date(2025, 12, 31), date(2026, 1, 1)
SD = Tax("SD", 100_000, NEW)
VAT = Tax("VAT", 50_000, date(2020, 1, 1), None, ("SD",))


def test_components_are_worked_out_in_order_each_on_those_named_and_rounded() -> None:
    """SD of 483.87 is 48.387, so 48.39; VAT is 5 % of 532.26, so 26.61."""
    parts = [(tax.code, base, amount) for tax, base, amount in
             Policy(1, (SD, VAT)).tax_parts(48_387, NEW)]  # fmt: skip

    assert parts == [("SD", 48_387, 4_839), ("VAT", 53_226, 2_661)]
    assert Policy(1, (SD, VAT)).vat(48_387, NEW, exempt=False) == 7_500


def test_a_component_not_in_force_adds_neither_tax_nor_base() -> None:
    assert Policy(1, (SD, VAT)).vat(100_000, OLD, exempt=False) == 5_000


def test_a_component_counts_from_its_first_day_until_its_last_excluded() -> None:
    ended = Policy(1, (VAT._replace(ends=NEW),))

    assert ended.vat(100_000, OLD, exempt=False) == 5_000
    assert ended.vat(100_000, NEW, exempt=False) == 0
    assert Policy(1, (SD,)).vat(100_000, NEW, exempt=False) == 10_000


def test_the_exempt_pay_nothing() -> None:
    assert Policy(1, (SD, VAT)).vat(100_000, NEW, exempt=True) == 0


def test_tax_on_a_negative_amount_is_the_opposite() -> None:
    policy = Policy(1, (SD, VAT))

    assert policy.vat(-48_387, NEW, exempt=False) == -policy.vat(48_387, NEW, exempt=False)


def test_staff_may_what_the_policy_says_and_others_nothing() -> None:
    policy = Policy(1, (), MappingProxyType({"clerk": Staff(frozenset({"discount"}), 100_000)}))

    assert policy.permits("clerk", "discount")
    assert not policy.permits("clerk", "refund")
    assert not policy.permits("stranger", "discount")
    assert not policy.permits(None, "discount")
    assert policy.discount_ppm_max("clerk") == 100_000
    assert policy.discount_ppm_max("stranger") is None


def test_without_a_policy_there_is_no_tax_and_no_staff() -> None:
    assert NO_POLICY.version == 0
    assert NO_POLICY.vat(100_000, NEW, exempt=False) == 0
    assert not NO_POLICY.permits("boss", "discount")
