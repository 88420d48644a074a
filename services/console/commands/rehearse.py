"""`rehearse`: a dry run of the next bill run."""

from datetime import date
from pathlib import Path
from typing import Any

import click

from services.console.finding import ask, data_option, find, json_option
from services.console.problems import Problem
from services.console.values import Day
from shared.ledger.sentences import counted
from shared.operator.printing import Counter, print_json, print_table


@click.command()
@click.option("--as-of", type=Day(), required=True, help="The day that the run would bill up to.")
@click.option(
    "--policy",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Use this policy file instead of the policy in force.",
)
@data_option
@json_option
def rehearse(as_of: date, file: Path | None, data: Path | None, as_json: bool) -> None:
    """Show what a bill run would bill, compared with last month; changes nothing.

    Runs in a read-only transaction, in which PostgreSQL itself refuses to write. Each customer's
    first bill is compared with the period before it; the largest differences are listed. Parked
    commands, and events not applied yet, are not included.
    """
    from shared.ledger.errors import PolicyError
    from shared.ledger.policy.file import parse_policy
    from shared.ledger.postgres.rehearsing import rehearse as rehearsed

    policy = None
    if file is not None:
        try:
            policy = parse_policy(file.read_text("utf-8-sig"), 0)
        except (PolicyError, UnicodeDecodeError) as error:
            raise Problem(f"{file.name}: {error}") from error
    counter = Counter("customers looked at")
    found = ask(
        find(data), lambda connection: rehearsed(connection, as_of, policy, counter), words=None
    )
    counter.done()
    if as_json:
        print_json(_as_values(found))
        return
    heads = ("", "bills", "charge", "discount", "vat", "billed")
    months = sorted(found.months.items())
    print_table(
        heads,
        [
            *((label, *_cells(totals)) for label, totals in months),
            ("first bills", *_cells(found.after)),
            ("the periods before", *_cells(found.before)),
        ],
    )
    click.echo(
        f"{counted(found.skipped, 'skip row')}, {counted(found.quarantined, 'customer')}"
        f" in quarantine, {counted(len(found.broken), 'customer')} who cannot be billed"
    )
    for customer_id, why in found.broken.items():
        click.echo(f"{customer_id}: {why}")
    if found.differences:
        click.echo("largest differences")
        print_table(
            ("customer", "period", "before", "after"),
            _differences(found),
        )
    click.echo("nothing was written")


def _cells(totals: Any) -> tuple[Any, ...]:
    from shared.ledger.money import decimal

    amounts = (totals.charge, totals.discount, totals.vat, totals.billed)
    return (totals.bills, *map(decimal, amounts))


def _differences(found: Any) -> list[tuple[str, str, str, str]]:
    from shared.ledger.money import decimal

    return [
        (each.customer_id, each.period, decimal(each.before), decimal(each.after))
        for each in found.differences
    ]


def _as_values(found: Any) -> dict[str, Any]:
    names = ("bills", "charge", "discount", "vat", "billed")

    def named(totals: Any) -> dict[str, Any]:
        return dict(zip(names, _cells(totals), strict=True))

    columns = ("customer_id", "period", "before", "after")
    return {
        "months": {label: named(totals) for label, totals in sorted(found.months.items())},
        "first_bills": named(found.after),
        "periods_before": named(found.before),
        "skipped": found.skipped,
        "quarantined": found.quarantined,
        "broken": found.broken,
        "differences": [dict(zip(columns, row, strict=True)) for row in _differences(found)],
    }
