"""A customer's statement as a table: a row per period."""

from collections.abc import Iterable
from typing import Any

from shared.operator.printing import print_table

COLUMNS = {
    "period": "period",
    "coverage_from": "from",
    "coverage_to": "to",
    "previous_due": "previous due",
    "charge": "charge",
    "discount": "discount",
    "vat": "vat",
    "billed": "billed",
    "paid": "paid",
    "due": "due",
}


def print_statement(periods: Iterable[Any]) -> None:
    """Print rows of report.statement; those without a standing bill are marked with a star."""
    print_table(list(COLUMNS.values()), [_cells(row) for row in periods])


def heading(who: Any) -> str:
    """Return two lines: the customer's id, name and phone, then today's terms."""
    cycle = who["cycle_kind"].replace("_", " ")
    anchor = f", day {who['cycle_day']}" if who["cycle_kind"] != "start_of_month" else ""
    expires = "never" if who["vip"] else who["expires_on"] or "not yet known"
    return (
        f"{who['customer_id']}  {who['name']}  {who['phone']}\n"
        f"{who['status']}, {who['mode']}, {cycle}{anchor}, billed through {who['billed_through']},"
        f" service expires {expires}"
    )


def _cells(row: Any) -> list[Any]:
    cells = [row[column] for column in COLUMNS]
    if not row["standing"]:
        cells[0] = f"{cells[0]} *"
    return cells
