"""`report`: figures an owner lives by, from the views of schema report (docs/reports.md)."""

import csv
import sys
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from services.console.finding import ask, business_zone, data_option, find, json_option
from services.console.problems import Problem
from services.console.values import Day, Month
from shared.ledger.period import months_after
from shared.operator.printing import plain, print_json, print_table, progress

NAMES = ("aging", "receipts", "sales", "tax", "month")
SUMS = {
    "aging": ("due", "credit", "not_yet", "days_0_30", "days_31_60", "days_61_90", "days_over_90"),
    "receipts": ("count", "amount"),
    "sales": ("documents", "net", "vat", "total"),
    "tax": ("tax",),
    "month": ("billed", "collected"),
}
"""The columns of which the table shows the sum."""
HEADS = {
    "customer_id": "customer", "not_yet": "not yet", "days_0_30": "0-30", "days_31_60": "31-60",
    "days_61_90": "61-90", "days_over_90": "over 90", "recorded_on": "recorded",
    "received_on": "received", "due_at_end": "due at end",
}  # fmt: skip


@click.command()
@click.argument("name", type=click.Choice(NAMES))
@click.option(
    "--month",
    type=Month(),
    help="Only this month: in which documents were issued (sales, tax), or lines recorded.",
)
@click.option("--day", type=Day(), help="Only what was recorded on this day (receipts).")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, with a line of headings.")
@data_option
@json_option
def report(
    name: str,
    month: str | None,
    day: date | None,
    as_csv: bool,
    data: Path | None,
    as_json: bool,
) -> None:
    """Print a report: aging, receipts, sales, tax or month.

    aging: what each customer owes, by days since it was asked for; the table leaves out who owes
    nothing. receipts: what collectors took; of the present month where neither --month nor --day is
    given. sales: documents issued. tax: the VAT return. month: what was billed and collected, and
    what all customers owed at the end. --json and --csv have the rows and columns of the view.
    """
    if day is not None and (name != "receipts" or month is not None):
        raise click.UsageError("--day is for receipts, and not beside --month")
    if month is not None and name == "aging":
        raise click.UsageError("aging is as of the business date: it takes no --month")
    if as_csv and as_json:
        raise click.UsageError("--csv or --json, not both")
    servers = find(data)
    zone = business_zone(servers)
    today = datetime.now(zone).date()
    if (month or f"{day or today:%Y-%m}") > f"{today:%Y-%m}" or (day or today) > today:
        raise Problem(f"{month or day} is still to come: nothing is recorded there")

    async def question(connection: Any) -> Sequence[Any]:
        from shared.ledger.postgres import owners_reports

        if name == "aging":
            return await owners_reports.aging(connection)
        if name == "receipts":
            return await owners_reports.receipts(connection, *_days(month, day, today))
        asked = {
            "sales": owners_reports.sales,
            "tax": owners_reports.tax,
            "month": owners_reports.months,
        }
        return await asked[name](connection, month)

    rows = ask(servers, question)
    if as_json:
        print_json(plain(rows))
    elif as_csv:
        _print_csv(rows)
    else:
        _print_rows(name, rows, zone)


def _days(month: str | None, day: date | None, today: date) -> tuple[date, date]:
    """Return the days asked for, half open."""
    if day is not None:
        return day, day + timedelta(days=1)
    label = month or f"{today:%Y-%m}"
    return date.fromisoformat(f"{label}-01"), date.fromisoformat(f"{months_after(label, 1)}-01")


def _print_csv(rows: Sequence[Any]) -> None:
    """Write rows as CSV. A text that a spreadsheet would take for a formula begins with '."""
    if not rows:
        progress("nothing to report")
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(rows[0].keys())
    writer.writerows([_safe(cell) for cell in row.values()] for row in rows)


def _safe(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@")) else cell


def _print_rows(name: str, rows: Sequence[Any], zone: ZoneInfo) -> None:
    if name == "aging":
        rows = [row for row in rows if row["due"]]
    if not rows:
        click.echo("nothing to report")
        return
    columns = list(rows[0].keys())
    cells = [[row[each] for each in columns] for row in rows]
    if len(rows) > 1:
        cells.append(
            ["total" if not at else _sum(name, each, rows) for at, each in enumerate(columns)]
        )
    heads = [HEADS.get(each, each) for each in columns]
    print_table(heads, [[_shown(cell) for cell in row] for row in cells], zone)


def _sum(name: str, column: str, rows: Sequence[Any]) -> Any:
    return sum(row[column] for row in rows) if column in SUMS[name] else ""


def _shown(cell: Any) -> Any:
    return f"{cell}" if isinstance(cell, Decimal) else cell
