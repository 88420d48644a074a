"""The policy file: what it means, and what is refused with which line."""

from datetime import date

import pytest

from shared.ledger.errors import PolicyError
from shared.ledger.policy.file import parse_new, parse_policy
from shared.ledger.policy.policy import NO_POLICY, Policy, Seller, Staff, Tax
from shared.ledger.policy.prices import Price, PriceList

CONTRACT = """\
[[tax]]
code = "SD"
rate = "10"
from = 2025-01-09          # until = ... optional, excluded
[[tax]]
code = "VAT"
rate = "5"
from = 2020-01-01
on = ["SD"]                # its base includes SD
[[staff]]
id = "clerk-7"
may = ["discount", "cancel"]   # discount vat_exempt cancel refund adjust bill_up_to rebill price
max_discount_percent = "10"    # optional
[[price]]                      # the price list; a code's next entry begins its next price
code = "home-10"
name = "Home 10 Mbit/s"        # optional, printed on documents
from = 2026-01-01
amount = "1000.00"
[billing]
grace_days = 10
[seller]                       # printed on documents, all optional
name = "My ISP Ltd"
address = "Road 1"
tax_id = "BIN 1"
phone = "+880171"
[documents]
prefix = "ISP-"
"""


def faults_of(source: str) -> list[str]:
    with pytest.raises(PolicyError) as refused:
        parse_policy(source, 1)
    return str(refused.value).splitlines()


def test_a_whole_example_is_read() -> None:
    policy = parse_policy(CONTRACT, 3)

    assert policy.version == 3
    assert policy.taxes == (
        Tax("SD", 100_000, date(2025, 1, 9)),
        Tax("VAT", 50_000, date(2020, 1, 1), on=("SD",)),
    )
    assert dict(policy.staff) == {"clerk-7": Staff(frozenset({"discount", "cancel"}), 100_000)}
    assert policy.grace_days == 10
    assert policy.prices == PriceList(
        [Price("home-10", date(2026, 1, 1), 100_000, "Home 10 Mbit/s")]
    )
    assert policy.seller == Seller("My ISP Ltd", "Road 1", "BIN 1", "+880171")
    assert policy.document_prefix == "ISP-"


PRICE = '[[price]]\ncode = "home"\nfrom = 2026-01-01\namount = "10.00"\n'


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        (PRICE + PRICE, "7: price[2] from: price[1] is the price of home from 2026-01-01 already"),
        (PRICE.replace('"10.00"', "10"), "4: price[1] amount: must be a string"),
        (PRICE.replace('"10.00"', '"-1.00"'), "4: price[1] amount: must be a string"),
        (PRICE.replace('"10.00"', '"1.001"'), "4: price[1] amount: must be a string"),
        (PRICE.replace('"home"', '"ho me"'), "2: price[1] code: must be 1 to 64"),
        (PRICE.replace("2026-01-01", '"2026-01-01"'), "3: price[1] from: must be a day"),
        (PRICE.replace('"10.00"', '"10000000000"'), "4: price[1] amount: must be a string"),
        (PRICE.replace('"10.00"', f'"{"9" * 5000}"'), "4: price[1] amount: must be a string"),
        (
            PRICE.replace("2026", "0001") * 2,
            "7: price[2] from: price[1] is the price of home from 0001-01-01 already",
        ),
        (PRICE + 'name = ""', "5: price[1] name: must be a text of 1 to 500"),
        (PRICE + r'name = "Ho\u0000me"', "5: price[1] name: has the character U+0000"),
        (PRICE + "until = 2026-02-01", "5: price[1] until: is not a key"),
        ("[[price]]", "1: price[1] amount: is missing"),
        ("[seller]\nname = 1", "2: seller name: must be a text"),
        ("seller = 1", "1: seller: must be a table, [seller]"),
        (PRICE + "[[seller]]", "5: seller: must be a table, [seller]"),
        (PRICE + "[tax]", "5: tax: must be a list of tables, [[tax]]"),
        ('[documents]\nprefix = "a_b"', "2: documents prefix: must be up to 16"),
        ('[documents]\nprefix = "12345678901234567"', "2: documents prefix: must be up to 16"),
    ],
)
def test_a_wrong_price_seller_or_prefix_is_named_with_its_line(source: str, fault: str) -> None:
    assert faults_of(source)[0].startswith(fault)


def test_a_price_is_from_nothing_to_the_most_that_an_event_may_say() -> None:
    amounts = ("0", "0.5", "9999999999.99")
    policies = [parse_policy(PRICE.replace("10.00", each), 1) for each in amounts]

    on = [policy.prices.on("home", date(2026, 1, 1)) for policy in policies]
    assert on == [0, 50, 999_999_999_999]


def test_each_price_that_repeats_another_names_the_first_of_them() -> None:
    assert faults_of(PRICE * 3) == [
        "7: price[2] from: price[1] is the price of home from 2026-01-01 already",
        "11: price[3] from: price[1] is the price of home from 2026-01-01 already",
    ]


def test_a_file_of_before_prices_is_read_as_ever() -> None:
    policy = parse_policy('[[staff]]\nid = "boss"\nmay = []\n[billing]\ngrace_days = 3\n', 2)

    assert policy == Policy(2, (), policy.staff, 3)
    assert not policy.prices


def test_an_empty_file_that_was_applied_once_is_the_empty_policy() -> None:
    policy = parse_policy("", 1)

    assert (policy.taxes, dict(policy.staff), policy.grace_days) == ((), {}, NO_POLICY.grace_days)


def test_a_rate_may_have_windows_that_follow_one_another() -> None:
    policy = parse_policy(
        """
        tax = [
            {code = "VAT", rate = "5", from = 2020-01-01, until = 2026-01-01},
            {code = "VAT", rate = "7.5", from = 2026-01-01},
        ]
        """,
        1,
    )

    assert policy.vat(10_000, date(2025, 12, 31), exempt=False) == 500
    assert policy.vat(10_000, date(2026, 1, 1), exempt=False) == 750


FAULTS = [
    ('rate = "10"', 'rate = "101"', "3: tax[1] rate: must be from 0 to 100"),
    ('rate = "10"', "rate = 10", '3: tax[1] rate: must be a string such as "12.5"'),
    (
        'rate = "10"',
        'rate = "1.23456"',
        '3: tax[1] rate: must be a string such as "12.5", from "0" to "100", at most four',
    ),
    ('rate = "5"\n', "", "5: tax[2] rate: is missing"),
    ("2025-01-09 ", '"2025-01-09" ', "4: tax[1] from: must be a day without quotes"),
    ("2025-01-09 ", "2025-01-09T00:00:00 ", "4: tax[1] from: must be a day without quotes"),
    (
        "from = 2020-01-01",
        "from = 2020-01-01\nuntil = 2020-01-01",
        "9: tax[2] until: must be after from (2020-01-01)",
    ),
    ('code = "VAT"', 'code = "V T"', "6: tax[2] code: must be 1 to 64 of A-Z a-z 0-9 . _ : -"),
    ('on = ["SD"]', 'on = ["XX"]', "9: tax[2] on: 'XX' is no component defined above this one"),
    ('on = ["SD"]', 'on = ["VAT"]', "9: tax[2] on: 'VAT' is no component defined above this one"),
    ('on = ["SD"]', 'on = ["SD", "SD"]', "9: tax[2] on: names a component twice"),
    ('on = ["SD"]', 'on = "SD"', "9: tax[2] on: must be a list of strings"),
    ('code = "VAT"', 'code = "SD"', "8: tax[2] from: SD is in force on days of tax[1] too"),
    ("[[staff]]", "[staff]", "10: staff: must be a list of tables, [[staff]]"),
    ('"cancel"', '"delete"', "12: staff[1] may: 'delete' is not one of adjust, bill_up_to"),
    ('id = "clerk-7"', 'id = ""', "11: staff[1] id: must be a text of 1 to 500"),
    (
        "[billing]",
        '[[staff]]\nid = "clerk-7"\nmay = []\n[billing]',
        "20: staff[2] id: clerk-7 is there twice",
    ),
    ("grace_days = 10", "grace_days = 366", "20: billing grace_days: must be a number from 0"),
    ("grace_days = 10", "grace_days = true", "20: billing grace_days: must be a number from 0"),
    ("grace_days = 10", "grace = 10", "20: billing grace: is not a key; known are grace_days"),
    ("[billing]", "[billings]", "19: billings: is not a key; known are tax, staff, price, billing"),
    ("[billing]", "[billing", "19: not TOML: "),
    ("2020-01-01", "2020-02-30", "8: not TOML: "),
    ("grace_days = 10", 'grace_days = "', "20: not TOML: "),
]


@pytest.mark.parametrize(("right", "wrong", "fault"), FAULTS)
def test_a_fault_is_named_with_its_line(right: str, wrong: str, fault: str) -> None:
    source = CONTRACT.replace(right, wrong, 1)
    assert source != CONTRACT

    [said] = faults_of(source)

    assert said.startswith(fault)


def test_every_fault_is_named_in_the_order_of_the_lines() -> None:
    source = CONTRACT.replace('"10"', "10").replace("grace_days", "days").replace('"5"', '"x"')

    assert [fault.split(":")[0] for fault in faults_of(source)] == ["3", "7", "13", "20"]


def test_lines_are_right_after_a_list_of_several_lines() -> None:
    source = """\
[[staff]]
may = [
    "discount",
    # "cancel",
]
id = "boss"
max_discount_percent = "200"
"""
    assert faults_of(source) == ["7: staff[1] max_discount_percent: must be from 0 to 100"]


def test_a_base_that_is_defined_later_for_some_days_is_refused() -> None:
    """Else VAT would be worked out before the SD that its base includes, and miss it."""
    source = """\
[[tax]]
code = "SD"
rate = "10"
from = 2020-01-01
until = 2021-01-01
[[tax]]
code = "VAT"
rate = "5"
from = 2020-01-01
on = ["SD"]
[[tax]]
code = "SD"
rate = "12"
from = 2021-01-01
"""
    assert faults_of(source) == ["12: tax[3] code: the base of tax[2] includes SD: define it above"]


@pytest.mark.parametrize("source", ["", "\n\n", "# nothing yet\n# but comments\n"])
def test_a_file_that_says_nothing_becomes_no_version(source: str) -> None:
    with pytest.raises(PolicyError, match=r"^1: the file says nothing"):
        parse_new(source, 2)


def test_a_new_file_is_read_as_any_other() -> None:
    assert parse_new(CONTRACT, 3) == parse_policy(CONTRACT, 3)
    with pytest.raises(PolicyError, match=r"^2: billing days: is not a key"):
        parse_new("[billing]\ndays = 3", 1)
