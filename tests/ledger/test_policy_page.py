"""docs/policy.md: its example is a policy file, and its tables name every key and permission."""

import re
import tomllib
from datetime import date
from pathlib import Path

from shared.ledger.money import minor
from shared.ledger.policy.file import parse_new
from shared.ledger.policy.policy import GRACE_DAYS, PERMISSIONS, Seller

PAGE = (Path(__file__).parents[2] / "docs" / "policy.md").read_text("utf-8")
(EXAMPLE,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def test_the_whole_file_is_read_as_the_page_says() -> None:
    policy = parse_new(EXAMPLE, 1)

    assert [tax.code for tax in policy.taxes] == ["SD", "VAT"]
    assert policy.vat(minor("1000.00"), date(2026, 6, 30), False) == minor("155.00")
    assert policy.vat(minor("1000.00"), date(2026, 7, 1), False) == minor("50.00")
    assert policy.staff["boss"].may == PERMISSIONS
    assert policy.discount_ppm_max("clerk-7") == 100_000
    assert policy.prices.on("home-10", date(2025, 1, 1)) == minor("1000.00")
    assert policy.prices.on("home-10", date(2026, 7, 1)) == minor("1100.00")
    assert all(policy.seller)
    assert policy.document_prefix == "DHK-"


def test_the_example_has_every_key_and_the_tables_name_each() -> None:
    tables = tomllib.loads(EXAMPLE)
    keys = {"tax": {"code", "rate", "from", "until", "on"}}
    keys |= {"staff": {"id", "may", "max_discount_percent"}}
    keys |= {"price": {"code", "name", "from", "amount"}, "billing": {"grace_days"}}
    keys |= {"seller": set(Seller._fields), "documents": {"prefix"}}
    used = {
        name: {key for each in (table if isinstance(table, list) else [table]) for key in each}
        for name, table in tables.items()
    }
    assert used == keys
    rows = set(re.findall(r"^\| `(\w+)`", PAGE, re.MULTILINE))
    assert {key for each in keys.values() for key in each} <= rows
    assert rows >= PERMISSIONS


def test_the_reader_knows_no_key_that_the_example_lacks() -> None:
    """A key of the reader is named in its own fault."""
    faults = []
    for place in ("", "[[tax]]\n", "[[staff]]\n", "[[price]]\n", "[billing]\n", "[documents]\n"):
        try:
            parse_new(f"{place}unheard_of = 1", 1)
        except ValueError as error:
            faults += re.findall(r"known are (.*)", str(error))
    known = {word for fault in faults for word in fault.split(", ")}
    assert len(faults) == 6
    words = set(re.findall(r"^\[*(\w+)\]*", EXAMPLE, re.MULTILINE))
    assert known <= words


def test_the_default_of_grace_is_the_products() -> None:
    assert f"| `grace_days` | whole number from 0 to 365 | {GRACE_DAYS} |" in PAGE
