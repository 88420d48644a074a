"""A customer's statement as text: a row per period, the money that came in, what is planned."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from shared.ledger.money import decimal, percent
from shared.operator.printing import print_table, safe

if TYPE_CHECKING:
    from shared.ledger.as_known import Money, Planned

COLUMNS = {
    "period": "period",
    "coverage_from": "from",
    "coverage_to": "to",
    "previous_due": "previous due",
    "billed": "billed",
    "paid": "paid",
    "due": "due",
}
WIDE = {
    **dict(list(COLUMNS.items())[:4]),
    "charge": "charge",
    "discount": "discount",
    "vat": "vat",
    **dict(list(COLUMNS.items())[4:]),
}


def print_statement(periods: Iterable[Any], wide: bool = False) -> None:
    """Print rows of report.statement; those without a standing bill are marked with a star. `wide`
    adds what `billed` is made of, and may take more than 80 columns."""
    columns = WIDE if wide else COLUMNS
    print_table(
        list(columns.values()),
        [_cells(row, columns) for row in periods],
        width=None if wide else 80,
    )


def print_money(money: "Sequence[Money]") -> None:
    """Print payments and refunds, if there are any."""
    if money:
        click.echo("\npayments and refunds")
        print_table(
            ("day", "amount", "by", "reference", "command"),
            [
                (
                    each.day,
                    decimal(each.amount),
                    ", ".join(filter(None, (each.method, each.channel))) or "-",
                    each.reference,
                    each.command_id + (" (cancelled)" if each.cancelled else ""),
                )
                for each in money
            ],
        )


def print_planned(planned: "Sequence[Planned]") -> None:
    """Print the changes that lie ahead, if there are any."""
    if planned:
        click.echo("\nplanned changes")
        print_table(
            ("from", "what", "becomes"),
            [(each.day, each.field.replace("_", " "), _said(each)) for each in planned],
        )


def _said(change: "Planned") -> str:
    value = change.value
    match change.field:
        case "package":
            return _sold(value.code, value.price)
        case "extras":
            sold = [
                (f"{each.quantity} x " if each.quantity > 1 else "") + _sold(each.code, each.price)
                for each in value
            ]
            return ", ".join(sold) or "none"
        case "cycle":
            day = f", day {value.day}" if value.kind != "start_of_month" else ""
            return f"{value.kind.replace('_', ' ')}{day}"
        case "discount_percent":
            return f"{percent(value)} %"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, "") else str(value)


def _sold(code: str, price: int | None) -> str:
    return code if price is None else f"{code} at {decimal(price)}"


def heading(who: Any) -> str:
    """Return three lines: the customer's id, name and phone, then their terms, then until when they
    are billed and served."""
    cycle = who["cycle_kind"].replace("_", " ")
    anchor = f", day {who['cycle_day']}" if who["cycle_kind"] != "start_of_month" else ""
    expires = "never" if who["vip"] else who["expires_on"] or "not yet known"
    return (
        f"{who['customer_id']}  {safe(who['name'])}  {who['phone']}\n"
        f"{who['status']}, {who['mode']}, {cycle}{anchor}\n"
        f"billed through {who['billed_through']}, service expires {expires}"
    )


def _cells(row: Any, columns: Iterable[str]) -> list[Any]:
    cells = [row[column] for column in columns]
    if not row["standing"]:
        cells[0] = f"{cells[0]} *"
    return cells
