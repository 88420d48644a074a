"""For those who check: `verify` recomputes everything, `export` hands everything out."""

from pathlib import Path
from typing import IO

import click

from services.console.books import ask
from services.console.finding import data_option, find, json_option
from services.console.printing import Counter, print_json
from services.console.problems import Problem


@click.command()
@data_option
@json_option
def verify(data: Path | None, as_json: bool) -> None:
    """Recompute every line of the ledger from the lines alone.

    Places, coverage, arithmetic, discount and VAT, the cascade and the chain of hashes. It names
    the first broken line and what was expected there, with exit code 1.
    """
    from shared.ledger.postgres.auditing import audit

    counter = Counter("lines verified")
    lines, customers, fault = ask(find(data), lambda connection: audit(connection, counter))
    counter.done()
    if as_json:
        print_json(
            {
                "lines": lines,
                "customers": customers,
                "fault": None if fault is None else fault._asdict(),
            }
        )
    if fault is not None:
        raise Problem(f"after {lines} lines that are right: {fault}")
    if not as_json:
        click.echo(f"{lines:,} lines of {customers:,} customers are right")


@click.command()
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "parquet"]),
    required=True,
    help="csv: as RFC 4180, a head line first. parquet: amounts as decimal(18, 2).",
)
@click.option(
    "--output",
    type=click.File("wb", lazy=False),
    default="-",
    metavar="FILE",
    help="Write to FILE, not to stdout.",
)
@data_option
def export(kind: str, output: IO[bytes], data: Path | None) -> None:
    """Write the whole ledger, a row per line: the columns of report.ledger.

    Rows are ordered by customer and seq, all as of one instant; memory stays flat.
    """
    servers = find(data)
    if kind == "csv":
        from shared.ledger.postgres.auditing import copy_csv

        ask(servers, lambda connection: copy_csv(connection, output.write))
    else:
        from services.console.parquet import write_parquet

        ask(servers, lambda connection: write_parquet(connection, output))
    output.flush()
