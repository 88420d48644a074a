"""`parked`: the commands that came too early."""

from pathlib import Path
from typing import Any

import click

from services.console.finding import ask_in_zone, data_option, find, json_option
from services.console.problems import unknown
from shared.operator.printing import plain, print_json, print_table


@click.command()
@click.argument("customer", required=False)
@data_option
@json_option
def parked(customer: str | None, data: Path | None, as_json: bool) -> None:
    """List the commands that came too early: they wait for a signup or for a first period. Of a
    CUSTOMER who has none and is unknown: exit code 1.
    """
    from shared.ledger.postgres import reports

    async def question(connection: Any) -> list[Any]:
        found = await reports.parked(connection, customer)
        if not found and customer and await reports.customer(connection, customer) is None:
            raise unknown(customer, 0)
        return found

    rows, zone = ask_in_zone(find(data), question)
    if as_json:
        print_json(plain(rows))
        return
    heads = ["command", "customer", "type", "parked at", "reason"]
    print_table(heads, rows, zone) if rows else click.echo("nothing is parked")
