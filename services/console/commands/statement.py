"""`statement` and `explain`: one customer's periods, and how each amount was computed."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from services.console.finding import ask_in_zone, data_option, find, json_option
from services.console.problems import Problem, unknown
from services.console.values import Instant
from shared.operator.printing import plain, print_json
from shared.operator.statements import heading, print_statement
from shared.operator.tampered import Tampered


@click.command()
@click.argument("customer")
@click.option("--as-of", type=Instant(), help="As it was known at this instant.")
@data_option
@json_option
def statement(customer: str, as_of: datetime | None, data: Path | None, as_json: bool) -> None:
    """Show a customer's statement: a row per period, `due` rolling forward.

    `to` is the first day no longer covered. With --json the rows of report.statement.
    """
    from shared.ledger.postgres import reports

    async def question(connection: Any) -> tuple[Any, ...]:
        return (
            await reports.customer(connection, customer),
            await reports.statement(connection, customer, as_of),
            await reports.parked(connection, customer),
        )

    (who, periods, parked), zone = ask_in_zone(find(data), question)
    if who is None:
        raise unknown(customer, len(parked))
    if as_json:
        print_json(plain(periods))
        return
    click.echo(heading(who))
    if not periods:
        click.echo("no period" + (" was known then" if as_of else " yet"))
        return
    print_statement(periods)
    if not all(row["standing"] for row in periods):
        click.echo("* no bill stands: a month without service, or a cancelled bill")
    if as_of is not None:
        click.echo(f"as it was known at {as_of.astimezone(zone).isoformat(sep=' ')}")


def _explain_owed(customer: str, data: Path | None, as_json: bool) -> None:
    from services.console.commands import owed
    from shared.ledger.postgres import reports
    from shared.ledger.statement import Statement

    async def question(connection: Any) -> tuple[Any, ...]:
        return (
            await reports.customer(connection, customer),
            await reports.lines_of(connection, customer),
            await reports.policies(connection),
            await reports.parked(connection, customer),
        )

    (who, lines, policies, parked), _ = ask_in_zone(find(data), question)
    if who is None:
        raise unknown(customer, len(parked))
    heads = {line.period: line for line in lines}
    periods = [heads[label] for label in sorted(heads)]
    opening = periods[0].previous_due if periods else 0
    # Paying never takes away days that they are served already.
    grace_days, served = policies[max(policies)].grace_days, who["expires_on"]
    items = owed.open_items(periods, opening, grace_days, served)
    if as_json:
        print_json(owed.as_values(who, items))
    else:
        owed.show(who, items, Statement(periods, opening).opening_open)


@click.command()
@click.argument("customer")
@click.argument("period", required=False)
@data_option
@json_option
def explain(customer: str, period: str | None, data: Path | None, as_json: bool) -> None:
    """Explain what a CUSTOMER owes, or each amount of a PERIOD (such as 2026-01), line by line.

    Without a period: what is not paid, oldest first, since when it is asked for, and until when
    they are served once it is paid. With one: days, cycle length, prices, discount, taxes and
    policy version, and who did what, when and why; of a corrected period every line, in order.
    """
    if period is None:
        _explain_owed(customer, data, as_json)
        return
    from services.console import story
    from shared.ledger.explain import Accepted
    from shared.ledger.explain import explain as explained
    from shared.ledger.postgres import reports
    from shared.schemas.inbound import command_of

    async def question(connection: Any) -> tuple[Any, ...]:
        return (
            await reports.lines_of(connection, customer),
            await reports.accepted_of(connection, customer),
            await reports.policies(connection),
            await reports.parked(connection, customer),
        )

    (lines, accepted, policies, parked), zone = ask_in_zone(find(data), question)
    try:
        commands = [
            Accepted(command_of(kind, content, zone), recorded_at)  # type: ignore[arg-type]
            for kind, content, recorded_at in accepted
        ]
        steps = explained(lines, commands, policies, period)
    except Exception as error:  # pure code: any error comes of this customer's rows
        raise Tampered(f"a row of {customer} in the book", error) from error
    if not commands:
        raise unknown(customer, len(parked))
    if not steps:
        labels = ", ".join(sorted({line.period for line in lines})) or "none yet"
        raise Problem(f"customer {customer} has no period {period}; there are: {labels}")
    if as_json:
        print_json(story.as_values(steps))
    else:
        click.echo(story.as_text(steps, zone))
