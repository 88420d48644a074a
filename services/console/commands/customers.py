"""`customers`: finds customers by phone, name or the reference of a payment."""

from pathlib import Path

import click

from services.console.finding import ask, data_option, find, json_option
from services.console.problems import Problem
from services.console.values import LIMIT
from shared.operator.printing import beginning, cells, plain, print_json, progress, table

HEADS = ("customer", "name", "phone", "status", "due", "expires on")
COLUMNS = ("customer_id", "name", "phone", "status", "due", "expires_on")
NAME_CELLS_MAX = 20


@click.command()
@click.option("--phone", metavar="P", help="The whole number, such as +8801711000001.")
@click.option("--name", metavar="N", help="A part of the name, in any case and script.")
@click.option("--reference", metavar="R", help="The whole reference of a payment, in any case.")
@click.option(
    "--limit",
    type=LIMIT,
    default=100,
    show_default=True,
    metavar="N",
    help="How many at most.",
)
@data_option
@json_option
def customers(
    phone: str | None,
    name: str | None,
    reference: str | None,
    limit: int,
    data: Path | None,
    as_json: bool,
) -> None:
    """List customers, all or those who fit every option; nobody found: exit code 1.

    Long names are cut short in the table; --json has them whole, and usernames.
    """
    from shared.ledger.postgres import searching

    found = ask(
        find(data),
        lambda connection: searching.customers(connection, phone, name, reference, limit + 1),
    )
    rows = plain(found[:limit])
    if as_json:
        print_json(rows)
    elif rows:
        listed = [[row[column] for column in COLUMNS] for row in rows]
        click.echo(table(HEADS, [[*row[:1], _short(row[1]), *row[2:]] for row in listed]))
    if not rows:
        raise Problem("no customer fits")
    if len(found) > limit:
        progress("there are more: see --limit")


def _short(name: str) -> str:
    return name if cells(name) <= NAME_CELLS_MAX else f"{beginning(name, NAME_CELLS_MAX - 1)}…"
