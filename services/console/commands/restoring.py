"""After a restore: `restored` opens a new incarnation, `notices` lists texts and releases them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from services.console.finding import (
    ask,
    ask_in_zone,
    data_option,
    expect_whole,
    find,
    json_option,
    wait,
)
from services.console.problems import Problem
from services.console.values import NUMBER_MAX, Seconds
from shared.ledger.sentences import counted
from shared.operator.printing import plain, print_json, print_table, progress, shown

if TYPE_CHECKING:
    from shared.ledger.numbers import Number
    from shared.runtime.restored import Found


@click.command()
@click.option(
    "--anyway",
    is_flag=True,
    help="Open an incarnation although Kafka is not ahead, because both servers were lost.",
)
@click.option(
    "--incarnation",
    "at_least",
    type=click.IntRange(2, NUMBER_MAX),
    metavar="N",
    help="Open at least this one; if Kafka was lost too, above all that readers have seen.",
)
@click.option(
    "--without-policies",
    is_flag=True,
    help="Continue although the book lacks policy versions that published lines name.",
)
@click.option(
    "--documents",
    "documents",
    multiple=True,
    metavar="NUMBER...",
    help="Numbers of documents that were given out since the backup: they become void.",
)
@click.argument("numbers", nargs=-1, metavar="")
@data_option
@json_option
def restored(
    documents: Sequence[str],
    numbers: Sequence[str],
    anyway: bool,
    at_least: int | None,
    without_policies: bool,
    data: Path | None,
    as_json: bool,
) -> None:
    """Let a fleet continue after its database was restored to an earlier hour.

    Kafka is ahead of such a book, and the workers stand still. This opens a new incarnation of the
    book: what Kafka still has is applied again, to the same ledger. Texts wait until `rollforward
    notices release` or `discard`. Policies are not in Kafka: apply those of the lost hours again
    before this command; where published lines name one that the book lacks, the exit code is 1.
    Where Kafka is not ahead it is 1 too. Nothing is changed then. Safe to repeat.

    With --documents the numbers of papers that were handed over in the lost hours, of each series
    at least the last: they, and the numbers before them that the book lacks, belong to no line, so
    that none is given to another one. Name them here: afterwards the workers go on numbering.
    """
    handed_out = _numbers(documents, numbers)
    from shared.ledger.postgres import incarnations
    from shared.operator.lost_policies import applied_again, lost_policies, named_since
    from shared.operator.restored import compared

    servers = find(data)

    again: dict[int, datetime] = {}
    void: list[Number] = []

    async def question(connection: Any) -> "tuple[Found, int, bool, bool]":
        found = await compared(connection, servers.kafka)
        held = await incarnations.notices_held(connection)
        number = max(found.known_to_kafka, found.incarnation) + 1
        if found.stands_still:
            number, reason = max(number, at_least or 0), found.reason
        elif anyway and (at_least is not None or not held):
            number, reason = at_least or number, "opened by a person; Kafka is not ahead"
        else:
            already = bool(found.late) or held
            if already and handed_out:
                entered = (await _open(connection, found.incarnation, "", handed_out))[1]
                void.extend(entered)
            return found, found.incarnation, False, already
        if not without_policies:
            named = await named_since(connection, servers.kafka)
            if (lost := await lost_policies(connection, named)) is not None:
                raise Problem(str(lost))
            again.update(await applied_again(connection, named))
        opened, entered = await _open(connection, number, reason, handed_out)
        void.extend(entered)
        return found, number, opened, not opened

    (found, number, opened, already), zone = ask_in_zone(servers, question)
    if not opened and not already:
        raise Problem(
            "the book is not behind Kafka: no committed offset is ahead of its positions. Nothing "
            "was changed. If Kafka was lost too, add --anyway"
        )
    _compare_prices(again, zone)
    _print_restored(found, number, opened, void, as_json)


def _print_restored(
    found: "Found", number: int, opened: bool, void: "Sequence[Number]", as_json: bool
) -> None:
    if as_json:
        counts = {**found.late, **found.ahead}
        print_json(
            {
                "incarnation": number,
                "opened": opened,
                "void": [str(each) for each in void],
                "ahead": [
                    {"consumer": consumer, "topic": topic, "records": records}
                    for (consumer, topic), records in sorted(counts.items())
                ],
            }
        )
        return
    for (consumer, topic), records in sorted({**found.late, **found.ahead}.items()):
        click.echo(f"{topic}: {counted(records, 'record')} ahead of the book (the {consumer})")
    for each in void:
        click.echo(f"{each} is void")
    if not opened:
        nothing = "" if void else "; nothing was changed"
        click.echo(f"incarnation {number} is open already{nothing}")
    else:
        click.echo(f"incarnation {number} is open: the workers continue by themselves")
    progress(
        "next: `rollforward settle`, `rollforward verify`; then `rollforward notices --status "
        "held`, and `rollforward notices release` or `discard`"
    )


async def _open(
    connection: Any, number: int, reason: str, handed_out: "Sequence[Number]"
) -> "tuple[bool, list[Number]]":
    from shared.ledger.postgres import incarnations
    from shared.ledger.postgres.void_documents import Taken

    try:
        return await incarnations.open_next(connection, number, reason, handed_out)
    except Taken as taken:
        raise Problem(f"{taken}; nothing was changed") from taken


def _numbers(documents: Sequence[str], more: Sequence[str]) -> "list[Number]":
    """Read the numbers of --documents; click gives the second and later ones as arguments."""
    from shared.ledger.numbers import read_number

    if more and not documents:
        raise click.UsageError(f"what is {more[0]!r}? Numbers of documents follow --documents")
    try:
        numbers = [read_number(each) for each in (*documents, *more)]
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    year = datetime.now(UTC).year
    if late := next((each for each in numbers if each.year > year + 1), None):
        raise click.UsageError(f"{late} is of a year to come")
    return numbers


def _compare_prices(again: Mapping[int, datetime], zone: ZoneInfo) -> None:
    for version, applied_at in again.items():
        progress(
            f"prices of version {version} come from the file applied at {shown(applied_at, zone)},"
            f" compare with the lost one: `rollforward policy show --version {version}`"
        )


# Texts --------------------------------------------------------------------------------------

HEADS = {
    "notice_id": "notice",
    "customer_id": "customer",
    "kind": "kind",
    "period": "period",
    "amount": "amount",
    "status": "status",
    "created_at": "created at",
    "text": "text",
}
STATUSES = ("requested", "held", "discarded")


@click.group(invoke_without_command=True)
@click.option("--status", type=click.Choice(STATUSES), help="Only those of this status.")
@data_option
@json_option
@click.pass_context
def notices(context: click.Context, status: str | None, data: Path | None, as_json: bool) -> None:
    """List the texts to customers, oldest first, or release those that wait after a restore.

    `requested` was published to Kafka, `held` waits for `notices release` or `discard`, `discarded`
    will never be sent. With --json the rows of report.notice.
    """
    if context.invoked_subcommand is not None:
        return
    from shared.ledger.postgres import incarnations

    rows, zone = ask_in_zone(
        find(data), lambda connection: incarnations.notices(connection, status)
    )
    if as_json:
        print_json(plain(rows))
    elif rows:
        cells = [[row[name] for name in HEADS] for row in rows]
        print_table(list(HEADS.values()), cells, zone)
    else:
        click.echo("there are no notices" + (f" of status {status}" if status else ""))


def _decision(command: Any) -> Any:
    timeout = click.option(
        "--timeout",
        type=Seconds(),
        default=60.0,
        show_default=True,
        metavar="S",
        help="How many seconds to wait for the fleet to settle.",
    )
    anyway = click.option("--anyway", is_flag=True, help="Do not wait for the fleet to settle.")
    return timeout(anyway(data_option(json_option(command))))


@notices.command("release")
@_decision
def release(timeout: float, anyway: bool, data: Path | None, as_json: bool) -> None:
    """Send the texts that wait since `restored`.

    First waits until the fleet has caught up. Texts that were sent in the lost hours are sent again
    under the same id: a gateway that drops repeated ids sends none twice. Amounts are the present
    ones; a text that has nothing left to ask for is discarded. Safe to repeat.
    """
    _decide("release", timeout, anyway, data, as_json)


@notices.command("discard")
@_decision
def discard(timeout: float, anyway: bool, data: Path | None, as_json: bool) -> None:
    """Never send the texts that wait since `restored`; later ones are sent.

    First waits until the fleet has caught up, so that the texts it makes again are discarded too.
    Safe to repeat.
    """
    _decide("discard", timeout, anyway, data, as_json)


def _decide(what: str, timeout: float, anyway: bool, data: Path | None, as_json: bool) -> None:
    from shared.ledger.postgres import incarnations
    from shared.operator.settle import NotSettled, settle
    from shared.schemas.topics import RECHECKS

    servers = find(data)
    expect_whole(servers)
    past = {"release": "released", "discard": "discarded"}[what]
    if not ask(servers, incarnations.notices_held):
        count, words = 0, "no texts wait; nothing was changed"
    else:
        if not anyway:
            try:
                wait(settle(servers.kafka, servers.database, timeout), "waiting for the fleet")
            except NotSettled as missing:
                raise Problem(f"{missing}; no text was {past}") from missing
        does = incarnations.release if what == "release" else incarnations.discard
        count = ask(servers, lambda connection: does(connection, RECHECKS))
        words = f"{past} {counted(count, 'text')}"
        if what == "release":
            words += "; `rollforward settle` waits until they are out"
    if as_json:
        print_json({past: count})
    else:
        click.echo(words)
