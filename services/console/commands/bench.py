"""`bench`: how fast the fleet is on this machine, beside simple baselines."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def _print(measured: Coroutine[Any, Any, dict[str, Any]]) -> None:
    """Run a measurement and print its figures as one line of JSON."""
    click.echo(json.dumps(asyncio.run(measured)))


@click.group()
def bench() -> None:
    """Measure a fleet started for this; each run prints a line of JSON.

    Each run starts servers and workers in a temporary folder, prepares a history, measures, and
    then takes its baselines there: `copy_per_second`, COPY of the lines it wrote into a table with
    the same keys and no triggers; `single_per_second`, one transaction for each of them. `ratio` is
    per_second to copy_per_second.
    """


CUSTOMERS = click.option(
    "--customers", type=click.IntRange(min=1), default=20_000, show_default=True, metavar="N"
)
WHOLE_FLEET = click.option(
    "--whole-fleet", is_flag=True, help="Run all kinds of workers, not only the measured one."
)
COPIES = click.option(
    "--copies",
    type=click.IntRange(min=1, max=12),
    default=2,
    show_default=True,
    metavar="N",
    help="Number of copies of the measured worker.",
)


def age_option(default: int) -> Callable[[F], F]:
    return click.option(
        "--age",
        type=click.IntRange(min=1, max=240),
        default=default,
        show_default=True,
        metavar="PERIODS",
        help="Number of periods of each customer before the measurement.",
    )


def count_option(default: int, what: str) -> Callable[[F], F]:
    return click.option(
        "--count",
        type=click.IntRange(min=1),
        default=default,
        show_default=True,
        metavar="N",
        help=f"Number of {what}.",
    )


@bench.command("bill-run")
@CUSTOMERS
@age_option(1)
@COPIES
@WHOLE_FLEET
def bill_run(customers: int, age: int, copies: int, whole_fleet: bool) -> None:
    """One bill for each customer: from the tick on Kafka to the last committed line.

    With --whole-fleet also `notices_seconds`, until the last notice is published.
    """
    from benches import measuring

    _print(measuring.bill_run(customers, age, copies, whole_fleet))


@bench.command()
@CUSTOMERS
@count_option(100_000, "payments")
@age_option(3)
@COPIES
@WHOLE_FLEET
def payments(customers: int, count: int, age: int, copies: int, whole_fleet: bool) -> None:
    """A backlog of payments: from Kafka to committed."""
    from benches import measuring

    _print(measuring.payments(customers, count, age, copies, whole_fleet))


@bench.command()
@CUSTOMERS
@count_option(300, "payments, one after the other")
@age_option(3)
def latency(customers: int, count: int, age: int) -> None:
    """A single payment on a quiet fleet: from published to visible in report.ledger.

    `bare_p50_ms` is for a loop that only consumes, inserts and commits.
    """
    from benches import measuring

    _print(measuring.latency(customers, count, age))


@bench.command()
@count_option(30, "cancellations, one after the other")
@age_option(120)
def cascade(count: int, age: int) -> None:
    """Cancelling the oldest bill: from published to all its lines visible in report.ledger.

    `bare_p50_ms` is a bare insert of as many rows; `head_payment_p50_ms` a payment for the last
    period of the same customers.
    """
    from benches import measuring

    _print(measuring.cascade(count, age))
