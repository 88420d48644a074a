"""`statement` and `explain`: one customer's periods, and how each amount was computed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import click

from services.console.finding import ask, ask_in_zone, data_option, find, json_option, zone_of
from services.console.problems import Problem, unknown
from services.console.values import Instant
from shared.operator.printing import plain, print_json, progress
from shared.operator.statements import (
    heading,
    print_money,
    print_planned,
    print_statement,
)
from shared.operator.tampered import Tampered
from shared.runtime.settings import Settings

if TYPE_CHECKING:
    from shared.ledger.as_known import Money, Planned
    from shared.ledger.explain import Accepted


class Seen(NamedTuple):
    """What a statement is printed from: the customer as report.customer has them or had them then,
    None where they had not signed up; rows of report.statement; money and planned changes.
    `limited` where the login may not read what the latter come from."""

    who: Any
    periods: Sequence[Any]
    money: "Sequence[Money]" = ()
    planned: "Sequence[Planned]" = ()
    limited: bool = False


NOT_SHOWN = "payments, refunds and planned changes are not shown"


@click.command()
@click.argument("customer")
@click.option("--as-of", type=Instant(), help="As it was known at this instant.")
@click.option("--wide", is_flag=True, help="Show charge, discount and VAT too: over 80 columns.")
@data_option
@json_option
def statement(
    customer: str, as_of: datetime | None, wide: bool, data: Path | None, as_json: bool
) -> None:
    """Show a customer's statement: a row per period, `due` rolling forward; payments and refunds,
    and the changes that are planned.

    `to` is the first day no longer covered. With --as-of all of it is shown as it was known then,
    the customer's name and terms too. With --json the rows of report.statement.
    """
    servers = find(data)
    seen, zone = ask(
        servers, lambda book: _seen(book, customer, as_of, servers.settings, not as_json)
    )
    if as_json:
        print_json(plain(seen.periods))
        return
    if seen.who is None:
        click.echo(f"{customer} had not signed up then")
    else:
        click.echo(heading(seen.who))
        if seen.periods:
            print_statement(seen.periods, wide)
        else:
            click.echo("no period" + (" was known then" if as_of else " yet"))
        if not all(row["standing"] for row in seen.periods):
            click.echo("* no bill stands: a month without service, or a cancelled bill")
        print_money(seen.money)
        print_planned(seen.planned)
    if seen.limited:
        heading_of = "" if as_of is None else "name, terms, status and expiry are those of today; "
        progress(f"this login may read schema report alone: {heading_of}{NOT_SHOWN}")
    if as_of is not None:
        try:
            local = as_of.astimezone(zone)
        except OverflowError:  # the last hours of the year 9999
            local = as_of
        click.echo(f"as it was known at {local.isoformat(sep=' ')}")


async def _seen(
    connection: Any, customer: str, as_of: datetime | None, settings: Settings, whole: bool
) -> tuple[Seen, ZoneInfo]:
    """Read a statement and the business zone; not `whole`: its rows alone."""
    from asyncpg import InsufficientPrivilegeError

    from shared.ledger.postgres import reports

    who = await reports.customer(connection, customer)
    if who is None:
        raise unknown(customer, len(await reports.parked(connection, customer)))
    # The rows first: as of an instant they wait for what is being written.
    seen = Seen(who, await reports.statement(connection, customer, as_of))
    zone = await zone_of(connection, settings)
    if whole:
        try:
            return await _known(connection, seen, as_of, zone), zone
        except InsufficientPrivilegeError:
            return seen._replace(limited=True), zone
    return seen, zone


async def _known(connection: Any, seen: Seen, as_of: datetime | None, zone: ZoneInfo) -> Seen:
    """Add what the customer's lines and commands say, by an instant where one is given."""
    from shared.ledger.as_known import account_known, as_customer, money_of, planned
    from shared.ledger.postgres import reports

    customer, at = seen.who["customer_id"], as_of or datetime.max.replace(tzinfo=UTC)
    lines = await reports.lines_of(connection, customer)
    rows = await reports.accepted_of(connection, customer)
    day, grace_days = await reports.known_then(connection, at)
    with _of_the_book(customer):
        lines = [line for line in lines if line.recorded_at <= at]
        accepted = [each for each in _accepted(rows, zone) if each.recorded_at <= at]
        account = account_known(lines, accepted)
        if account is None:
            return seen if as_of is None else seen._replace(who=None)
        who = seen.who if as_of is None else as_customer(account, day, grace_days)
        return Seen(who, seen.periods, money_of(lines, accepted), planned(account, day))


def _accepted(rows: Sequence[Any], zone: ZoneInfo) -> "list[Accepted]":
    """Return the accepted commands of a customer from their rows."""
    from shared.ledger.explain import Accepted
    from shared.schemas.inbound import command_of

    return [
        Accepted(command_of(kind, content, zone), recorded_at)  # type: ignore[arg-type]
        for kind, content, recorded_at in rows
    ]


@contextmanager
def _of_the_book(customer: str) -> Iterator[None]:
    """Turn any error of pure code into `Tampered`: it comes of this customer's rows."""
    try:
        yield
    except Exception as error:
        raise Tampered(f"a row of {customer} in the book", error) from error


def _explain_owed(customer: str, data: Path | None, as_json: bool) -> None:
    from services.console.commands import owed
    from shared.ledger.postgres import reports

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
    before = owed.opening_item(periods, opening, grace_days, served)
    if as_json:
        print_json(owed.as_values(who, items, before))
    else:
        owed.show(who, items, before)


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
    from shared.ledger.explain import explain as explained
    from shared.ledger.postgres import reports

    async def question(connection: Any) -> tuple[Any, ...]:
        return (
            await reports.lines_of(connection, customer),
            await reports.accepted_of(connection, customer),
            await reports.policies(connection),
            await reports.parked(connection, customer),
        )

    (lines, rows, policies, parked), zone = ask_in_zone(find(data), question)
    with _of_the_book(customer):
        commands = _accepted(rows, zone)
        steps = explained(lines, commands, policies, period)
    if not commands:
        raise unknown(customer, len(parked))
    if not steps:
        labels = ", ".join(sorted({line.period for line in lines})) or "none yet"
        raise Problem(f"customer {customer} has no period {period}; there are: {labels}")
    if as_json:
        print_json(story.as_values(steps))
    else:
        click.echo(story.as_text(steps, zone))
