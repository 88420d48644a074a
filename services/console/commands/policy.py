"""`policy`: taxes, prices, permissions and grace days, version by version."""

from pathlib import Path
from typing import Any

import click

from services.console.finding import ask, ask_in_zone, data_option, find, json_option
from services.console.problems import Problem
from services.console.values import NUMBER_MAX
from shared.ledger.sentences import counted
from shared.operator.printing import print_json, progress, shown


@click.group()
def policy() -> None:
    """Taxes, prices, permissions and grace days: apply a new version, show one."""


@policy.command("apply")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--remove", is_flag=True, help="Allow the file to take taxes, prices or staff away.")
@data_option
def apply_policy(file: Path, remove: bool, data: Path | None) -> None:
    """Append a policy version from FILE.toml, and print what it changes, one line each.

    A file with a fault, or an empty one, is refused as a whole: every fault is named with its line,
    and the exit code is 1. A file that takes away a tax, a price or a member of staff is refused
    too, unless --remove confirms it; one that leaves out a code whose price customers still go by
    is refused in any case. A code that comes back at another price after a version without it is
    warned of on stderr. Applying the latest version again makes no new version. Existing bills keep
    the version that they name, but read a code that it lacks from the first later one. On a book
    that was restored and stands still it says which published lines came of a version of this
    number.
    """
    from shared.ledger.errors import PolicyError
    from shared.ledger.policy.file import parse_new
    from shared.operator.lost_policies import named_after_restore

    source = _text(file)
    try:
        parse_new(source, 1)
    except PolicyError as error:
        for fault in str(error).splitlines():
            click.echo(f"{file.name}:{fault}", err=True)
        raise Problem(f"{file.name} is refused; no policy was changed") from error
    servers = find(data)
    applied = _applied(servers, file, source, remove)
    for words in applied.changes:
        click.echo(words)
    for words in applied.warnings:
        progress(f"warning: {words}")
    if not applied.new:
        result = "unchanged: it is the latest already"
    elif applied.changes:
        result = "applied"
    else:
        result = "applied: another wording with the same meaning"
    click.echo(f"policy version {applied.version} {result}")
    if applied.new and servers.kafka_address is not None:
        named = ask(servers, lambda book: named_after_restore(book, servers.kafka, applied.version))
        if named:
            progress(named)


def _applied(servers: Any, file: Path, source: str, remove: bool) -> Any:
    """Apply the text of a file; a Problem says why it is refused."""
    from shared.ledger.postgres import reports
    from shared.schemas.topics import RECHECKS

    try:
        return ask(servers, lambda book: reports.apply_policy(book, source, RECHECKS, remove))
    except reports.StillGoBy as error:
        for code, count in error.customers.items():
            go = "goes" if count == 1 else "go"
            click.echo(f"price {code}: {counted(count, 'customer')} still {go} by it", err=True)
        raise Problem(
            f"{file.name} leaves out prices that customers still go by; no policy was changed."
            " Keep these prices in the file, or change the customers' packages and extras first;"
            " --remove does not help"
        ) from error
    except reports.TakesAway as error:
        for words in error.words:
            click.echo(f"would change: {words}", err=True)
        raise Problem(
            f"{file.name} takes away what the lines above name; no policy was changed."
            " If that is meant, add --remove"
        ) from error


def _text(file: Path) -> str:
    raw = file.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Problem(f"{file.name}:{line}: not UTF-8; no policy was changed") from error


@policy.command("show")
@click.option(
    "--version",
    type=click.IntRange(1, NUMBER_MAX),
    metavar="N",
    help="An earlier version, not the latest.",
)
@data_option
@json_option
def show_policy(version: int | None, data: Path | None, as_json: bool) -> None:
    """Show the policy in force, as it was applied; with --json its values and its text."""
    from shared.ledger.policy.file import parse_policy
    from shared.ledger.postgres import reports

    row, zone = ask_in_zone(find(data), lambda connection: reports.policy_row(connection, version))
    if row is None and version is not None:
        raise Problem(f"there is no policy version {version}")
    if as_json:
        read = parse_policy(row["source"] if row else "", row["version"] if row else 0)
        kept = {key: row[key] if row else None for key in ("source", "applied_at")}
        print_json(_policy_as_json(read) | kept)
    elif row is None:
        click.echo("# no policy was applied: no tax, no staff, no price list")
    else:
        progress(f"policy version {row['version']}, applied {shown(row['applied_at'], zone)}")
        click.echo(row["source"].rstrip("\n"))


def _policy_as_json(read: Any) -> dict[str, Any]:
    """Return a policy with the names that its file uses."""
    from shared.ledger.money import decimal, percent

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
        "price": [
            {
                "code": price.code,
                "name": price.name,
                "from": price.starts,
                "amount": decimal(price.amount),
            }
            for entries in read.prices.by_code.values()
            for price in entries
        ],
        "billing": {"grace_days": read.grace_days},
        "seller": read.seller._asdict(),
        "documents": {"prefix": read.document_prefix},
    }
