"""What a policy changes is said in plain words, and what it takes away is marked."""

from shared.ledger.policy.changes import changes
from shared.ledger.policy.file import parse_policy

BEFORE = """
[[tax]]
code = "SD"
rate = "10"
from = 2025-01-09
[[tax]]
code = "VAT"
rate = "5"
from = 2020-01-01
on = ["SD"]
[[staff]]
id = "boss"
may = ["cancel", "refund"]
[[staff]]
id = "clerk"
may = ["discount"]
max_discount_percent = "10"
"""


def words(before: str, after: str) -> list[str]:
    """Return each change, those that take something away with a minus before them."""
    found = changes(parse_policy(before, 1), parse_policy(after, 2))
    return [f"- {each.words}" if each.takes_away else each.words for each in found]


def test_the_first_policy_adds_all_that_it_says() -> None:
    assert words("", BEFORE) == [
        "tax SD: added, 10 % from 2025-01-09",
        "tax VAT: added, 5 % from 2020-01-01 on SD",
        "staff boss: added, may cancel, refund, no limit on discounts",
        "staff clerk: added, may discount, discounts up to 10 %",
    ]


def test_a_policy_that_says_the_same_changes_nothing() -> None:
    assert words(BEFORE, f"# told otherwise\n{BEFORE}\n[billing]\ngrace_days = 10\n") == []


def test_what_is_left_out_is_taken_away() -> None:
    assert words(BEFORE, "[billing]\ngrace_days = 5\n") == [
        "- tax SD: taken away (10 % from 2025-01-09)",
        "- tax VAT: taken away (5 % from 2020-01-01 on SD)",
        "- staff boss: taken away (may cancel, refund)",
        "- staff clerk: taken away (may discount)",
        "days of grace: 10 becomes 5",
    ]


def test_other_rates_rights_and_limits_are_said_and_take_nothing_away() -> None:
    after = (
        BEFORE.replace('rate = "5"', 'rate = "7.5"')
        .replace("from = 2025-01-09", "from = 2025-02-01\nuntil = 2026-07-01")
        .replace('"cancel", "refund"', '"cancel", "rebill"')
        .replace('max_discount_percent = "10"', "")
    )

    assert words(BEFORE, after) == [
        "tax SD: 10 % from 2025-01-09 becomes 10 % from 2025-02-01 until 2026-07-01",
        "tax VAT: 5 % from 2020-01-01 on SD becomes 7.5 % from 2020-01-01 on SD",
        "staff boss: may also rebill",
        "staff boss: may no longer refund",
        "staff clerk: discounts up to 10 % becomes no limit on discounts",
    ]


def test_a_rate_that_follows_another_is_added_and_one_that_is_gone_was_taken_away() -> None:
    one = '[[tax]]\ncode = "VAT"\nrate = "5"\nfrom = 2020-01-01\n'
    two = (
        one + "until = 2026-07-01\n" + one.replace("2020-01-01", "2026-07-01").replace('"5"', '"7"')
    )

    assert words(one, two) == [
        "tax VAT: 5 % from 2020-01-01 becomes 5 % from 2020-01-01 until 2026-07-01",
        "tax VAT: added, 7 % from 2026-07-01",
    ]
    assert words(two, one) == [
        "tax VAT: 5 % from 2020-01-01 until 2026-07-01 becomes 5 % from 2020-01-01",
        "- tax VAT: taken away (7 % from 2026-07-01)",
    ]


def test_another_order_of_taxes_is_said() -> None:
    taxes = [f'[[tax]]\ncode = "{code}"\nrate = "5"\nfrom = 2020-01-01\n' for code in "AB"]

    assert words("".join(taxes), "".join(reversed(taxes))) == [
        "taxes are worked out in another order: B, A"
    ]


def test_prices_that_come_change_and_go_are_said() -> None:
    """A price that begins later is a new entry; an entry that is gone is taken away."""
    before = """
        price = [
            {code = "home", from = 2026-01-01, amount = "1000.00"},
            {code = "ip", from = 2026-01-01, amount = "200.00"},
            {code = "tv", from = 2026-01-01, amount = "50.00", name = "TV"},
            {code = "tv", from = 2026-02-01, amount = "60.00"},
        ]
    """
    after = """
        price = [
            {code = "home", from = 2026-01-01, amount = "1010.00"},
            {code = "home", from = 2026-07-01, amount = "1100.00"},
            {code = "tv", from = 2026-01-01, amount = "50.00", name = "Television"},
            {code = "fast", from = 2026-01-01, amount = "2000.00"},
        ]
    """
    assert words(before, after) == [
        "price home from 2026-01-01: 1000.00 becomes 1010.00",
        "price home: added, 1100.00 from 2026-07-01",
        "- price ip: taken away (200.00 from 2026-01-01)",
        "price tv from 2026-01-01: is called 'Television'",
        "- price tv: taken away (60.00 from 2026-02-01)",
        "price fast: added, 2000.00 from 2026-01-01",
    ]


def test_a_price_whose_day_moves_is_taken_away_and_added() -> None:
    """So is a price that replaces the one before instead of following it: that is easily a slip."""
    before = '[[price]]\ncode = "home"\nfrom = 2026-01-01\namount = "1000.00"\n'

    assert words(before, before.replace("2026-01-01", "2026-07-01").replace("1000", "1100")) == [
        "- price home: taken away (1000.00 from 2026-01-01)",
        "price home: added, 1100.00 from 2026-07-01",
    ]


def test_the_same_prices_in_another_order_and_form_change_nothing() -> None:
    first = '[[price]]\ncode = "home"\nfrom = 2026-01-01\namount = "1000.00"\n'
    second = first.replace("2026-01-01", "2026-07-01")

    assert words(first + second, second + first.replace("1000.00", "1000")) == []


def test_what_documents_print_is_said_in_a_line_each_and_takes_nothing_away() -> None:
    after = (
        '[seller]\nname = "My ISP"\naddress = """\n12 Lake Road\nDhaka"""\n'
        '[documents]\nprefix = "A-"'
    )

    assert words("", after) == [
        "seller name: nothing becomes 'My ISP'",
        r"seller address: nothing becomes '12 Lake Road\nDhaka'",
        "prefix of document numbers: nothing becomes 'A-'",
    ]
    assert words(after, BEFORE)[-3:] == [
        "seller name: 'My ISP' becomes nothing",
        r"seller address: '12 Lake Road\nDhaka' becomes nothing",
        "prefix of document numbers: 'A-' becomes nothing",
    ]
