"""`bench`: how fast the fleet is on this machine, beside what the machine could do at most."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import click
import psutil

F = TypeVar("F", bound=Callable[..., Any])
QUIET_BELOW = 2.0
"""From this load average on other processes slow the measurement down."""


def _print(*measured: Coroutine[Any, Any, dict[str, Any]]) -> None:
    """Run measurements one by one and print the figures of each as a line of JSON."""
    load = round(psutil.getloadavg()[0], 2)
    machine = {"load_average": load, "quiet": load < QUIET_BELOW}
    for each in measured:
        click.echo(json.dumps(asyncio.run(each) | machine))


@click.group()
def bench() -> None:
    """Measure a fleet of its own: a line of JSON a run.

    Each run starts servers and workers in a temporary folder, prepares a history and measures.
    bill-run, payments, latency and cascade then take their baselines there: `copy_per_second`, COPY
    of the lines they wrote into a table with the same keys and no triggers; `single_per_second`,
    one transaction for each of them. `ratio` is per_second to copy_per_second.

    `load_average` is that of the last minute when the command starts, `quiet` whether it is below
    2. Only figures of a quiet machine can be compared.
    """


CUSTOMERS = click.option(
    "--customers", type=click.IntRange(min=1), default=20_000, show_default=True, metavar="N"
)
WHOLE_FLEET = click.option(
    "--whole-fleet", is_flag=True, help="Let all workers share the machine, not only the measured."
)
COPIES = click.option(
    "--copies",
    type=click.IntRange(min=1, max=12),
    default=2,
    show_default=True,
    metavar="N",
    help="How many copies of the measured worker.",
)


def age_option(default: int) -> Callable[[F], F]:
    return click.option(
        "--age",
        type=click.IntRange(min=1, max=240),
        default=default,
        show_default=True,
        metavar="PERIODS",
        help="How many periods each customer has before the measurement.",
    )


def lines_option(default: int) -> Callable[[F], F]:
    return click.option(
        "--lines",
        type=click.IntRange(min=1),
        default=default,
        show_default=True,
        metavar="N",
        help="Number of ledger lines in the book, about.",
    )


PERIODS = click.option(
    "--periods",
    type=click.IntRange(min=1, max=240),
    default=24,
    show_default=True,
    metavar="N",
    help="Number of periods of each customer.",
)
PAID = click.option(
    "--paid",
    type=click.IntRange(min=0, max=100),
    default=90,
    show_default=True,
    metavar="PERCENT",
    help="Share of customers who pay each bill in full; the others never pay.",
)


def count_option(default: int, what: str) -> Callable[[F], F]:
    return click.option(
        "--count",
        type=click.IntRange(min=1),
        default=default,
        show_default=True,
        metavar="N",
        help=f"How many {what}.",
    )


@bench.command("bill-run")
@CUSTOMERS
@age_option(1)
@COPIES
@WHOLE_FLEET
def bill_run(customers: int, age: int, copies: int, whole_fleet: bool) -> None:
    """One bill for each customer: from the tick on Kafka to the last committed line.

    `documents_seconds` is from the tick until the last invoice has its number. With --whole-fleet
    also `told_seconds`, from the tick until the last ledger event, notice and
    entitlement are on Kafka, and `ledger_seconds`, `notices_seconds` and `entitlements_seconds`
    for each of them. Null: there was none. These customers never pay, so their entitlements stay.
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

    `bare_p50_ms` is that of a loop that consumes, inserts and commits, and does nothing else.
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


@bench.command()
@lines_option(300_000)
@PERIODS
@PAID
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1),
    default=30.0,
    show_default=True,
    metavar="N",
    help="Length of each of the two measurements.",
)
def idle(lines: int, periods: int, paid: int, seconds: float) -> None:
    """A whole fleet without work: its processor time on an empty book, then on a full one.

    `cpu_percent_empty` and `cpu_percent` are percentages of one core, for all workers and
    PostgreSQL together, without Kafka; `by_process` has the parts. The book is written straight
    into PostgreSQL, its lines are valid, and the relay does not publish them.
    """
    from benches import resting
    from benches.history import Shape

    _print(resting.idle(lines, Shape(periods, paid), seconds))


@bench.command()
@click.option(
    "--customers", type=click.IntRange(min=1), default=5_000, show_default=True, metavar="N"
)
@count_option(50_000, "payments")
@click.option(
    "--periods",
    type=click.IntRange(min=1, max=240),
    default=(24, 240),
    show_default=True,
    multiple=True,
    metavar="N",
    help="Number of periods of each customer; may be repeated, for a line of figures each.",
)
@PAID
@COPIES
def aged(customers: int, count: int, periods: tuple[int, ...], paid: int, copies: int) -> None:
    """The same customers with few periods and with many.

    `run_per_second` and `payments_per_second` as in `bill-run` and `payments` (null: all payments
    were one batch). Medians: `statement_ms` and `explain_ms` for one customer's statement and the
    explanation of one period, `notice_ms` for what the notifier reads of 100 customers.
    """
    from benches import aging
    from benches.history import Shape

    _print(*(aging.aged(customers, count, Shape(each, paid), copies) for each in periods))


@bench.command()
@lines_option(300_000)
@PERIODS
@PAID
def verify(lines: int, periods: int, paid: int) -> None:
    """How many lines a second `rollforward verify` checks.

    `cpu_us_per_line` is the processor time of all processes without Kafka: it depends less on the
    load of the machine.
    """
    from benches import proving
    from benches.history import Shape

    _print(proving.verify(lines, Shape(periods, paid)))


@bench.command()
@lines_option(300_000)
@click.option(
    "--new-lines",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    metavar="N",
    help="Number of lines since the seal before, about; at most one period of everyone.",
)
@PERIODS
@PAID
def seal(lines: int, new_lines: int, periods: int, paid: int) -> None:
    """How long a seal takes: `first_seconds` the first one, over all lines but the new ones;
    `seconds` the next one, after `new_lines` more."""
    from benches import proving
    from benches.history import Shape

    _print(proving.seal(lines, new_lines, Shape(periods, paid)))
