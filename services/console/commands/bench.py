"""`bench`: how fast the fleet is on this machine, beside what the machine could do at most."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import click
import psutil

F = TypeVar("F", bound=Callable[..., Any])
QUIET_BELOW = 2.0
"""A load average from here on: others use the machine too, and the figures are theirs as well."""


def _print(*measured: Coroutine[Any, Any, dict[str, Any]]) -> None:
    """Run measurements one after the other and print the figures of each as a line of JSON."""
    load = round(psutil.getloadavg()[0], 2)
    machine = {"load_average": load, "quiet": load < QUIET_BELOW}
    for each in measured:
        click.echo(json.dumps(asyncio.run(each) | machine))


@click.group()
def bench() -> None:
    """Measure a fleet of its own: a line of JSON a run.

    Each run starts servers and workers in a folder that goes away, prepares a history and
    measures. Where lines are written it then takes its baselines there: `copy_per_second`, COPY of
    the very lines it wrote into a twin of the table with the same keys and no triggers;
    `single_per_second`, one transaction for each of them. `ratio` is per_second to
    copy_per_second.

    `load_average` is that of the minute before the command began, and `quiet` says whether it was
    below 2: compare only figures of a quiet machine.
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
        help="About how many ledger lines the book has.",
    )


PERIODS = click.option(
    "--periods",
    type=click.IntRange(min=1, max=240),
    default=24,
    show_default=True,
    metavar="N",
    help="How many periods each customer of the book has.",
)
PAID = click.option(
    "--paid",
    type=click.IntRange(min=0, max=100),
    default=90,
    show_default=True,
    metavar="PERCENT",
    help="How many of the customers pay each bill in full; the others never pay.",
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

    With --whole-fleet also `told_seconds`: from the tick until the last ledger event, notice and
    entitlement are on Kafka; and `ledger_seconds`, `notices_seconds` and `entitlements_seconds`,
    the same of each (null: there was none, for a bill moves no entitlement of who owed before).
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
    help="For how long each of the two fleets is watched.",
)
def idle(lines: int, periods: int, paid: int, seconds: float) -> None:
    """A whole fleet with nothing to do: its processor time on an empty book, and on a full one.

    `cpu_percent` and `cpu_percent_empty` are percent of one core, of all workers and PostgreSQL
    together; Kafka is left out. The book is written straight into PostgreSQL, valid line by line,
    and held as published.
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
    help="How many periods each customer has: a line of figures for each N that is given.",
)
@PAID
@COPIES
def aged(customers: int, count: int, periods: tuple[int, ...], paid: int, copies: int) -> None:
    """The same customers with few periods and with many: what years cost.

    `run_per_second` and `payments_per_second` as in `bill-run` and `payments`; `statement_ms` and
    `explain_ms` a customer's statement and the explanation of one period, `notice_ms` what the
    notifier reads of 100 customers; medians.
    """
    from benches import aging
    from benches.history import Shape

    _print(*(aging.aged(customers, count, Shape(each, paid), copies) for each in periods))


@bench.command()
@lines_option(300_000)
@PERIODS
@PAID
def verify(lines: int, periods: int, paid: int) -> None:
    """Every line of a book recomputed, as `rollforward verify` does it: lines a second.

    `cpu_us_per_line` is the processor time of all processes but Kafka, which a busy machine moves
    less than the lines a second.
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
    help="About how many lines were written since the seal before; at most a period of everyone.",
)
@PERIODS
@PAID
def seal(lines: int, new_lines: int, periods: int, paid: int) -> None:
    """A seal after `new_lines` lines, in a book of `lines` that was sealed before them.

    `first_seconds` is what that seal of everything took.
    """
    from benches import proving
    from benches.history import Shape

    _print(proving.seal(lines, new_lines, Shape(periods, paid)))
