"""`export`: the whole ledger as a file for other programs."""

from pathlib import Path

import click

from services.console.finding import ask, data_option, find
from services.console.output import OUTPUT, whole


@click.command()
@click.option(
    "--format",
    "kind",
    type=click.Choice(["hledger", "csv", "parquet", "audit"]),
    required=True,
    help="hledger: double entry. csv: RFC 4180 with a header line. parquet: amounts as "
    "decimal(18, 2). audit: CSV of all that the hashes cover, see AUDIT.md.",
)
@click.option(
    "--output",
    type=OUTPUT,
    default="-",
    metavar="FILE",
    help="Write to FILE instead of stdout. After an error FILE is unchanged.",
)
@data_option
def export(kind: str, output: Path, data: Path | None) -> None:
    """Write the whole ledger: csv and parquet have a row per line, the columns of report.ledger.

    Rows are ordered by customer and seq, all as of one instant; memory use does not grow with the
    ledger. A line that cannot be written in the format, because it was tampered with, is named;
    exit code 1.
    """
    from shared.exports.formats import write_ledger

    servers = find(data)
    with whole(output) as file:
        words = None if str(output) == "-" else "writing the ledger"
        ask(servers, lambda connection: write_ledger(kind, connection, file), words=words)
