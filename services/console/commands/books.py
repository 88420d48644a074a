"""What the book says: `policy`, `statement`, `explain`."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import click

from services.console.finding import Servers, data_option, find, json_option
from services.console.problems import Problem, Tampered
from shared.operator.printing import plain, print_json, print_table, progress

T = TypeVar("T")


def ask(servers: Servers, question: Callable[[Any], Awaitable[T]], role: str | None = None) -> T:
    """Connect to the book, put one question, and return the answer."""
    from shared.operator.servers import database

    async def asked() -> T:
        async with database(servers.database, role=role) as connection:
            return await question(connection)

    return asyncio.run(asked())


# Policy -------------------------------------------------------------------------------------


@click.group()
def policy() -> None:
    """Taxes, permissions and grace days: apply a new version, show one."""


@policy.command("apply")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--remove", is_flag=True, help="Let the file take taxes or staff away.")
@data_option
def apply_policy(file: Path, remove: bool, data: Path | None) -> None:
    """Append a policy version from FILE.toml, and print what it changes, one line each.

    A file with a fault is refused whole: every fault is named with its line, and the exit code
    is 1; so is an empty one. A file that takes away a tax or a member of staff is refused too,
    unless --remove says that it is meant. Applying the latest version again changes nothing and
    makes no version. Bills made so far keep the version that they name.
    """
    from shared.ledger.errors import PolicyError
    from shared.ledger.policy.file import parse_new
    from shared.ledger.postgres import reports
    from shared.schemas.topics import RECHECKS

    source = _text(file)
    try:
        parse_new(source, 1)
    except PolicyError as error:
        for fault in str(error).splitlines():
            click.echo(f"{file.name}:{fault}", err=True)
        raise Problem(f"{file.name} is refused; no policy was changed") from error
    try:
        applied = ask(find(data), lambda book: reports.apply_policy(book, source, RECHECKS, remove))
    except reports.TakesAway as error:
        for words in error.words:
            click.echo(words, err=True)
        raise Problem(
            f"{file.name} takes away what the lines above name; no policy was changed."
            " If that is meant, add --remove"
        ) from error
    for words in applied.changes:
        click.echo(words)
    if not applied.new:
        said = "unchanged: it is the latest already"
    elif applied.changes:
        said = "applied"
    else:
        said = "applied: it is worded otherwise and means the same"
    click.echo(f"policy version {applied.version} {said}")


def _text(file: Path) -> str:
    raw = file.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Problem(f"{file.name}:{line}: not UTF-8; no policy was changed") from error


@policy.command("show")
@click.option("--version", type=click.IntRange(min=1), help="An earlier version, not the latest.")
@data_option
@json_option
def show_policy(version: int | None, data: Path | None, as_json: bool) -> None:
    """Show the policy in force, as it was applied."""
    from shared.ledger.policy.file import parse_policy
    from shared.ledger.postgres import reports

    row = ask(find(data), lambda connection: reports.policy_row(connection, version))
    if row is None and version is not None:
        raise Problem(f"there is no policy version {version}")
    if as_json:
        read = parse_policy(row["source"] if row else "", row["version"] if row else 0)
        print_json(_policy_as_json(read) | {"applied_at": row["applied_at"] if row else None})
    elif row is None:
        click.echo("# no policy was applied: no tax, no staff")
    else:
        progress(f"policy version {row['version']}, applied {row['applied_at']:%Y-%m-%d %H:%M %Z}")
        click.echo(row["source"].rstrip("\n"))


def _policy_as_json(read: Any) -> dict[str, Any]:
    """Return a policy in the words of its file."""
    from shared.ledger.money import percent

    return {
        "version": read.version,
        "tax": [
            {
                "code": tax.code,
                "rate": percent(tax.rate_ppm),
                "from": tax.starts,
                "until": tax.ends,
                "on": list(tax.on),
            }
            for tax in read.taxes
        ],
        "staff": [
            {
                "id": name,
                "may": sorted(member.may),
                "max_discount_percent": None
                if member.discount_ppm_max is None
                else percent(member.discount_ppm_max),
            }
            for name, member in read.staff.items()
        ],
        "billing": {"grace_days": read.grace_days},
    }


# Statements ---------------------------------------------------------------------------------


class Instant(click.ParamType):
    """An RFC 3339 timestamp with an offset."""

    name = "timestamp"

    def convert(self, value: Any, param: Any, context: Any) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not like 2026-02-01T09:00:00+06:00", param, context)
        if moment.tzinfo is None:
            self.fail(f"{value!r} has no offset: write {value}+06:00 or so", param, context)
        return moment


COLUMNS = {
    "period": "period",
    "coverage_from": "from",
    "coverage_to": "to",
    "previous_due": "previous due",
    "charge": "charge",
    "discount": "discount",
    "vat": "vat",
    "billed": "billed",
    "paid": "paid",
    "due": "due",
}


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

    async def question(connection: Any) -> tuple[Any, list[Any]]:
        return (
            await reports.customer(connection, customer),
            await reports.statement(connection, customer, as_of),
        )

    who, periods = ask(find(data), question)
    if who is None:
        raise Problem(f"customer {customer} is not known")
    if as_json:
        print_json(plain(periods))
        return
    click.echo(heading(who))
    if not periods:
        click.echo("no period" + (" was known then" if as_of else " yet"))
        return
    print_table(list(COLUMNS.values()), [cells(row) for row in periods])
    if not all(row["standing"] for row in periods):
        click.echo("* no bill stands: a month without service, or a cancelled bill")
    if as_of is not None:
        click.echo(f"as it was known at {as_of.isoformat(sep=' ')}")


def heading(who: Any) -> str:
    """Say in a line who a customer is: those are the terms of today."""
    cycle = who["cycle_kind"].replace("_", " ")
    anchor = f", day {who['cycle_day']}" if who["cycle_kind"] != "start_of_month" else ""
    expires = "never" if who["vip"] else who["expires_on"] or "not yet known"
    return (
        f"{who['customer_id']}  {who['name']}  {who['phone']}\n"
        f"{who['status']}, {who['mode']}, {cycle}{anchor}, billed through {who['billed_through']},"
        f" service expires {expires}"
    )


def cells(row: Any) -> list[Any]:
    cells = [row[column] for column in COLUMNS]
    if not row["standing"]:
        cells[0] = f"{cells[0]} *"
    return cells


# Explanations -------------------------------------------------------------------------------


@click.command()
@click.argument("customer")
@click.argument("period")
@data_option
@json_option
def explain(customer: str, period: str, data: Path | None, as_json: bool) -> None:
    """Say how each amount of a PERIOD (such as 2026-01) came about, line by line.

    Days, cycle length, prices, discount, tax and policy version; who, when and why; a corrected
    period tells its whole story in order.
    """
    from services.console import story
    from shared.ledger.explain import Accepted
    from shared.ledger.explain import explain as explained
    from shared.ledger.postgres import reports
    from shared.schemas.inbound import command_of

    async def question(connection: Any) -> tuple[Any, ...]:
        return (
            await reports.zone(connection),
            await reports.lines_of(connection, customer),
            await reports.accepted_of(connection, customer),
            await reports.policies(connection),
        )

    zone, lines, accepted, policies = ask(find(data), question)
    try:
        commands = [
            Accepted(command_of(kind, content, ZoneInfo(zone)), recorded_at)  # type: ignore[arg-type]
            for kind, content, recorded_at in accepted
        ]
        steps = explained(lines, commands, policies, period)
    except Exception as error:  # pure code on what the book says of one customer
        raise Tampered(f"what the book says of {customer}", error) from error
    if not commands:
        raise Problem(f"customer {customer} is not known")
    if not steps:
        labels = ", ".join(sorted({line.period for line in lines})) or "none yet"
        raise Problem(f"customer {customer} has no period {period}; there are: {labels}")
    if as_json:
        print_json(story.as_values(steps))
    else:
        click.echo(story.told(steps, ZoneInfo(zone)))
