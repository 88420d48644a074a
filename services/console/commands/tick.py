"""`tick`: moves the business date, and bills what is due by then."""

import secrets
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from services.console.commands.outcomes import (
    Sending,
    conclude,
    timeout_option,
    why,
)
from services.console.finding import (
    Servers,
    ask,
    business_zone,
    data_option,
    find,
    json_option,
)
from services.console.problems import Misconfigured, Problem
from services.console.values import Day
from shared.operator.printing import print_json, progress


@click.command()
@click.option(
    "--as-of",
    type=Day(),
    required=True,
    help="The new business date: bill every period that starts by this day.",
)
@click.option(
    "--trigger",
    type=click.Choice(["nightly", "manual", "sweep"]),
    default="manual",
    show_default=True,
    help="The name of the run's trigger.",
)
@click.option(
    "--allow-gap",
    is_flag=True,
    help="Allow a day after today, or more than 45 days past the business date.",
)
@timeout_option
@data_option
@json_option
def tick(
    as_of: date,
    trigger: str,
    allow_gap: bool,
    timeout: float,
    data: Path | None,
    as_json: bool,
) -> None:
    """Move the business date and bill what is due by then. Prints the tick's id and its outcome.

    The exit code is 1 where the tick was refused, 3 where it is not judged yet. The bill run that
    follows is not waited for: `rollforward settle` does that, report.run shows it.
    """
    from shared.schemas.publish import structured

    servers = find(data)
    sending = Sending(business_zone(servers))
    today = datetime.now(sending.zone).date()
    if as_of > today and not allow_gap:
        raise Misconfigured(
            f"{as_of} is after today ({today} in the business zone): a run for it would bill "
            "ahead of time; if that is what you want, add --allow-gap"
        )
    tick_id = f"{trigger}-{as_of}-{secrets.token_hex(4)}"
    data_of_tick: dict[str, Any] = {
        "tick_id": tick_id,
        "period": f"{as_of:%Y-%m}",
        "as_of": as_of.isoformat(),
        "trigger": trigger,
    }
    if allow_gap:
        data_of_tick["allow_gap"] = True
    message = structured(
        {
            "specversion": "1.0",
            "id": tick_id,
            "source": "rollforward/tick",
            "type": "billing.tick.v1",
            "time": datetime.now(UTC).isoformat(),
            "datacontenttype": "application/json",
            "data": data_of_tick,
        }
    )
    if not as_json:
        click.echo(tick_id)
    outcome = sending.judged(servers, message, timeout)
    refused = why(outcome)
    if refused is None and _no_policy(servers):
        progress(
            "warning: no policy was ever applied, so bills have no tax: `rollforward policy apply`"
        )
    if as_json:
        judged = {"outcome": outcome.outcome, "reason": outcome.reason, "sentence": refused}
        print_json(data_of_tick | judged)
    else:
        click.echo(" ".join(dict.fromkeys(filter(None, (outcome.outcome, outcome.reason)))))
    if refused is not None:
        raise Problem(refused)
    conclude([outcome], timeout)


def _no_policy(servers: Servers) -> bool:
    from shared.ledger.postgres import reports

    return ask(servers, lambda book: reports.policy_row(book, None)) is None
