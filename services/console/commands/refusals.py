"""`refusals`: what was refused, and why."""

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from services.console.finding import ask_in_zone, data_option, find, json_option
from services.console.problems import unknown
from services.console.values import LIMIT
from shared.ledger.sentences import sentence
from shared.operator.printing import plain, print_json, progress, shown, wrapped


@click.command()
@click.argument("customer", required=False)
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
def refusals(customer: str | None, limit: int, data: Path | None, as_json: bool) -> None:
    """List what was refused, newest first: of everyone, or of one CUSTOMER (unknown: exit code 1).

    Lists refused commands and conflicting duplicates (events whose command id came before with
    other content), with the reason and, in --json or the view report.refusal, the content.
    """
    from shared.ledger.postgres import reports

    async def question(connection: Any) -> list[Any]:
        found = await reports.refusals(connection, customer, limit + 1)
        if not found and customer and await reports.customer(connection, customer) is None:
            raise unknown(customer, len(await reports.parked(connection, customer)))
        return found

    found, zone = ask_in_zone(find(data), question)
    rows = [_explained(row) for row in plain(found[:limit])]
    if as_json:
        print_json(rows)
    elif rows:
        click.echo("\n".join(_block(row, zone) for row in rows))
    else:
        click.echo("nothing was refused")
    if len(found) > limit:
        progress("there are more: see --limit")


def _explained(row: dict[str, Any]) -> dict[str, Any]:
    why = sentence(row["reason"], row["command_id"], row["customer_id"])
    return {**row, "said": json.loads(row["said"]), "sentence": why}


def _block(row: dict[str, Any], zone: ZoneInfo) -> str:
    """Return one refusal as text: its sentence, and below it reason, amount, actor and event."""
    facts = [f"reason {row['reason']}"]
    if row["amount"] is not None:
        facts.append(f"amount {row['amount']}")
    if row["actor"] is not None:
        facts.append(f"actor {row['actor']}")
    if row["ce_id"] is not None:
        facts.append(f"event {row['ce_id']} of {row['ce_source']}")
    heading = f"{shown(row['recorded_at'], zone)}  {row['sentence']}"
    return "\n".join(
        [*wrapped(heading, 80, later="  "), *wrapped(", ".join(facts), 80, "    ", "    ")]
    )
