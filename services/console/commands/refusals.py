"""`refusals`: what was asked and refused."""

import json
from pathlib import Path
from typing import Any

import click

from services.console.finding import ask, data_option, find, json_option
from shared.ledger.sentences import sentence
from shared.operator.printing import plain, print_json, progress, shown


@click.command()
@click.argument("customer", required=False)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    metavar="N",
    help="How many at most.",
)
@data_option
@json_option
def refusals(customer: str | None, limit: int, data: Path | None, as_json: bool) -> None:
    """List what was refused, newest first: of everyone, or of one CUSTOMER.

    Refused commands, and conflicting duplicates: events whose command id came before with other
    content. Each with the reason and, in --json or the view report.refusal, its content.
    """
    from shared.ledger.postgres import reports

    found = ask(find(data), lambda book: reports.refusals(book, customer, limit + 1))
    rows = [_explained(row) for row in plain(found[:limit])]
    if as_json:
        print_json(rows)
    elif rows:
        click.echo("\n".join(map(_block, rows)))
    else:
        click.echo("nothing was refused")
    if len(found) > limit:
        progress(f"there are more than these {limit}: see --limit")


def _explained(row: dict[str, Any]) -> dict[str, Any]:
    why = sentence(row["reason"], row["command_id"], row["customer_id"])
    return {**row, "said": json.loads(row["said"]), "sentence": why}


def _block(row: dict[str, Any]) -> str:
    """Write one refusal: its sentence, and below it who asked for how much by which event."""
    facts = [f"reason {row['reason']}"]
    if row["amount"] is not None:
        facts.append(f"amount {row['amount']}")
    if row["actor"] is not None:
        facts.append(f"actor {row['actor']}")
    if row["ce_id"] is not None:
        facts.append(f"event {row['ce_id']} of {row['ce_source']}")
    return f"{shown(row['recorded_at'])}  {row['sentence']}\n    {', '.join(facts)}"
