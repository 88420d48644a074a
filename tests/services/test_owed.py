"""What a customer owes for what, and until when they are served once it is paid."""

from datetime import date

from services.console.commands.owed import Open, open_items, opening_item
from tests.postgres.booked import pay, signup, tick
from tests.support.rules import Rules


def test_open_items_say_what_to_pay_and_until_when_that_serves() -> None:
    rules = Rules()
    for step in (
        signup("rahim", "2026-01-01", opening_due=70_00),
        tick("2026-02-01"),
        tick("2026-03-05"),
        pay("p-1", "rahim", 270_00, "2026-03-05"),
    ):
        rules.apply(step)
    periods = rules.accounts["rahim"].periods

    items = open_items(periods, 70_00, 10)

    january, february, march = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 5)
    assert items == [
        Open("2026-01", january, 1000_00, 200_00, 800_00, 800_00, date(2026, 2, 11)),
        Open("2026-02", february, 1000_00, 0, 1000_00, 1800_00, date(2026, 3, 15)),
        Open("2026-03", march, 1000_00, 0, 1000_00, 2800_00, date(2026, 4, 11)),
    ]
    assert open_items(periods, 70_00, 10, date(2026, 3, 1))[0].served_until == date(2026, 3, 1)


def test_what_was_owed_before_is_paid_with_the_first_period() -> None:
    rules = Rules()
    rules.apply(signup("rahim", "2026-01-01", opening_due=70_00))

    periods = rules.accounts["rahim"].periods
    (item,) = open_items(periods, 70_00, 10)
    january = date(2026, 1, 1)

    assert (item.open, item.pay_in_all) == (1000_00, 1070_00)
    assert opening_item(periods, 70_00, 10) == Open(
        "opening due", january, 70_00, 0, 70_00, 70_00, date(2026, 1, 11)
    )
    assert opening_item([], 70_00, 10) == Open("opening due", None, 70_00, 0, 70_00, 70_00, None)


def test_what_was_owed_before_is_shown_with_what_was_paid_of_it() -> None:
    rules = Rules()
    rules.apply(signup("rahim", "2026-01-01", opening_due=70_00))
    rules.apply(pay("p-1", "rahim", 30_00, "2026-01-02"))
    half = opening_item(rules.accounts["rahim"].periods, 70_00, 10)
    rules.apply(pay("p-2", "rahim", 50_00, "2026-01-03"))

    assert half is not None
    assert (half.billed, half.paid, half.open) == (70_00, 30_00, 40_00)
    assert opening_item(rules.accounts["rahim"].periods, 70_00, 10) is None


def test_who_has_paid_has_no_open_items() -> None:
    assert open_items([], 0, 10) == []
