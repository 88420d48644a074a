"""`parked`: the commands that came too early."""

from pathlib import Path

import click

from services.console.finding import ask_in_zone, data_option, find, json_option
from shared.operator.printing import plain, print_json, print_table


@click.command()
@click.argument("customer", required=False)
@data_option
@json_option
def parked(customer: str | None, data: Path | None, as_json: bool) -> None:
    """List the commands that came too early: they wait for a signup or for a first period."""
    from shared.ledger.postgres import reports

    rows, zone = ask_in_zone(find(data), lambda connection: reports.parked(connection, customer))
    if as_json:
        print_json(plain(rows))
        return
    heads = ["command", "customer", "type", "parked at", "reason"]
    print_table(heads, rows, zone) if rows else click.echo("nothing is parked")
