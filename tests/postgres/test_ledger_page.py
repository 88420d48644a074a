"""docs/ledger.md names every view of schema report, each with its columns, and no other."""

import re
from pathlib import Path
from typing import get_args

from shared.ledger.line import Kind
from tests.postgres.booked import Booked

PAGE = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text("utf-8")


def described() -> dict[str, list[str]]:
    """Return the columns that the page lists for each view, by the view's heading."""
    found = {}
    for view, section in re.findall(
        r"^### `report\.(\w+)`\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL
    ):
        cells = re.findall(r"^\| ([^|]*) \|", section, re.MULTILINE)
        found[view] = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    return found


async def test_the_page_lists_the_columns_of_every_view(books: Booked) -> None:
    rows = await books.rows(
        "SELECT relname, array_agg(attname::text ORDER BY attnum) FROM pg_class"
        " JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0"
        " WHERE relnamespace = 'report'::regnamespace AND relkind = 'v' GROUP BY relname"
    )
    actual = {view: sorted(columns) for view, columns in rows}

    assert {view: sorted(columns) for view, columns in described().items()} == actual


async def test_the_page_describes_every_function(books: Booked) -> None:
    rows = await books.rows(
        "SELECT proname || '(' || array_to_string(proargnames[1:pronargs], ', ') || ')'"
        " FROM pg_proc WHERE pronamespace = 'report'::regnamespace"
    )

    assert rows
    for (name,) in rows:
        assert f"### `report.{name}`" in PAGE


def test_the_page_lists_every_kind_of_line() -> None:
    section = PAGE.partition("### Kinds\n")[2].partition("\n### ")[0]

    assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == list(get_args(Kind))
