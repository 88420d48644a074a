"""`quarantine`: lists the customers who cannot be billed, and retries them."""

from pathlib import Path

import click

from services.console.finding import ask_in_zone, data_option, expect_whole, find, json_option, wait
from services.console.problems import Problem
from shared.operator.printing import plain, print_json, print_table


@click.group()
def quarantine() -> None:
    """Customers who could not be billed and wait for a person."""


@quarantine.command("list")
@data_option
@json_option
def list_quarantine(data: Path | None, as_json: bool) -> None:
    """List who is quarantined, since when, and why."""
    from shared.ledger.postgres import reports

    rows, zone = ask_in_zone(find(data), reports.quarantine)
    if as_json:
        print_json(plain(rows))
    elif rows:
        print_table(["customer", "reason", "since"], rows, zone)
    else:
        click.echo("nobody is quarantined")


@quarantine.command("retry")
@click.argument("customers", nargs=-1, metavar="[CUSTOMER]...")
@data_option
@json_option
def retry_quarantine(customers: tuple[str, ...], data: Path | None, as_json: bool) -> None:
    """Retry quarantined customers: these, or all.

    Their parked commands are applied in order, and they are billed up to the business date. Those
    who still cannot be billed stay quarantined. Exit code 1 where a named customer is not known, is
    not quarantined, or still cannot be billed; the others are released even so. Safe to repeat:
    customers who are no longer quarantined are left as they are, except that their parked commands
    are applied where `verify` says that these wait for nothing.
    """
    from shared.operator.retry import retry

    servers = find(data)
    expect_whole(servers)
    results = wait(retry(servers.database, customers), "applying what waited")
    if as_json:
        print_json([result._asdict() for result in results])
    elif results:
        heads = ["customer", "result", "applied", "still"]
        print_table(heads, [(r.customer_id, r.result, r.applied, r.reason) for r in results])
    else:
        click.echo("nobody is quarantined")
    left: dict[str, list[str]] = {}
    for result in results:
        if result.result != "released":
            left.setdefault(result.result, []).append(result.customer_id)
    if left:
        named = "; ".join(f"{what}: {', '.join(who)}" for what, who in left.items())
        raise Problem(f"not everyone was released ({named})")
