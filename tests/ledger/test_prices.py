"""The price list by day and by policy version (docs/rules.md#price-list)."""

from datetime import date

import pytest

from shared.ledger.policy.policy import Policy, read_together
from shared.ledger.policy.prices import Price, PriceList, Unpriced, lists_as_read

JANUARY, JULY = date(2026, 1, 1), date(2026, 7, 1)


def home(day: date, amount: int) -> Price:
    return Price("home", day, amount)


def test_a_price_holds_until_the_next_one_and_the_first_one_before_its_day_too() -> None:
    prices = PriceList([home(JULY, 1100), home(JANUARY, 1000)])

    assert [prices.on("home", day) for day in (date.min, JANUARY, date(2026, 6, 30), JULY)] == [
        1000, 1000, 1000, 1100,
    ]  # fmt: skip
    assert list(prices.days("home")) == [JULY]
    with pytest.raises(Unpriced):
        prices.on("tv", JULY)


def test_lists_of_the_same_entries_are_equal_whatever_their_order() -> None:
    one, other = (PriceList(each) for each in ([home(JANUARY, 1), home(JULY, 2)],) * 2)
    turned = PriceList([home(JULY, 2), home(JANUARY, 1)])

    assert one == other == turned
    assert len({one, other, turned, PriceList()}) == 2


@pytest.mark.parametrize(
    "entry",
    [
        Price("home", JANUARY, 2),
        Price("home", JULY, 1),
        Price("tv", JANUARY, 1),
        Price("home", JANUARY, 1, "Home"),
    ],
)
def test_lists_differ_by_any_part_of_an_entry(entry: Price) -> None:
    assert PriceList([entry]) != PriceList([home(JANUARY, 1)])


def test_the_entry_in_force_has_the_name_that_documents_print() -> None:
    prices = PriceList([home(JANUARY, 1)._replace(name="10 Mbit/s"), home(JULY, 2)])

    assert [prices.entry_on("home", day).name for day in (date.min, JULY)] == ["10 Mbit/s", None]


def test_a_code_is_read_from_one_version_with_all_its_entries() -> None:
    """Entries of two versions are never mixed under one code."""
    lists = {1: PriceList([home(JANUARY, 1)]), 2: PriceList([home(JULY, 2)]), 3: PriceList()}

    assert [lists_as_read(lists)[version].by_code["home"] for version in lists] == [
        (home(JANUARY, 1),), (home(JULY, 2),), (home(JULY, 2),),
    ]  # fmt: skip


def test_a_code_that_a_version_lacks_is_read_from_the_first_later_one_that_has_it() -> None:
    lists = {
        0: PriceList(),
        1: PriceList([home(JANUARY, 1)]),
        2: PriceList([Price("tv", JANUARY, 20)]),
        3: PriceList([home(JANUARY, 3), Price("tv", JANUARY, 30)]),
        4: PriceList([Price("tv", JANUARY, 40)]),
    }

    read = lists_as_read(lists)

    assert [read[version].on("home", JULY) for version in lists] == [1, 1, 3, 3, 3]
    assert [read[version].on("tv", JULY) for version in lists] == [20, 20, 20, 30, 40]


def test_versions_read_together_keep_their_own_lists_for_what_may_be_sold() -> None:
    policies = read_together({
        1: Policy(1, prices=PriceList([home(JANUARY, 1)])), 2: Policy(2),
    })  # fmt: skip

    assert "home" not in policies[2].prices
    assert policies[2].price_list.on("home", JULY) == 1
    assert read_together(policies) == policies
