"""Events in, and what did not get through: `publish`, `tick`, `parked`, `quarantine`, `dlq`."""

import asyncio
import io
import secrets
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from services.console.books import ask
from services.console.finding import Servers, data_option, find, json_option
from services.console.outcomes import Sending, conclude, say_outcomes, timeout_option, why
from services.console.printing import Counter, plain, print_json, print_table, progress
from services.console.problems import Misconfigured, Problem

if TYPE_CHECKING:
    from shared.schemas.envelope import Message

FAULTS_MAX = 20
SPOOL_BYTES_MAX = 1 << 24


# Publish ------------------------------------------------------------------------------------


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--wait", is_flag=True, help="Wait for the outcome of each, and print it.")
@timeout_option
@data_option
@json_option
def publish(file: IO[bytes], wait: bool, timeout: float, data: Path | None, as_json: bool) -> None:
    """Publish FILE.jsonl, one structured CloudEvent a line; `-` reads stdin.

    The whole file is looked at first: a line that cannot be routed (not JSON, unknown type, no
    key) is named, nothing is sent, and the exit code is 1. What can be routed is sent as it
    is; the fleet judges it. Each customer's events keep their order. With --wait the exit code
    is 1 where one was refused, conflicting or malformed, and 3 where one is not judged yet.
    """
    from shared.runtime.publishing import publish as send

    servers = find(data)
    sending = Sending(_zone(servers)) if wait else None
    lines = _rewindable(file)
    _expect_routable(getattr(file, "name", "stdin"), lines)
    lines.seek(0)
    counter = Counter("events sent")
    messages = ((number, message) for number, message, _ in _messages(lines) if message is not None)
    if sending is None:
        count = asyncio.run(send(servers.kafka, (message for _, message in messages), counter))
    else:
        noted = sending.noted(messages)
        count = asyncio.run(send(servers.kafka, noted, counter, sending.places))
    counter.done()
    if sending is not None:
        say_outcomes(sending, servers, timeout, as_json)
    elif as_json:
        print_json({"published": count})
    else:
        click.echo(f"published {count} events")


def _expect_routable(name: str, lines: IO[bytes]) -> None:
    """Look at every line; Problem, with the first faults on stderr, where one has no topic."""
    faults = 0
    for number, _, fault in _messages(lines):
        if fault is not None:
            faults += 1
            if faults <= FAULTS_MAX:
                progress(f"{name}:{number}: {fault}")
    if faults:
        raise Problem(f"{faults} of the lines cannot be routed; nothing was sent")


def _messages(lines: IO[bytes]) -> "Iterator[tuple[int, Message | None, str | None]]":
    """Yield (line number, message, fault) of each line that is not blank: one of the two."""
    from shared.runtime.publishing import VALUE_BYTES_MAX
    from shared.schemas.malformed import Malformed
    from shared.schemas.publish import from_line

    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if len(line) > VALUE_BYTES_MAX:
            yield number, None, f"{len(line)} bytes are more than a broker takes"
            continue
        try:
            yield number, from_line(line), None
        except Malformed as malformed:
            yield number, None, malformed.reason


def _rewindable(file: IO[bytes]) -> IO[bytes]:
    """Return the file, or a copy of what cannot be read twice."""
    if file.seekable():
        return file
    copy = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES_MAX)  # noqa: SIM115 - lent out
    while chunk := file.read(io.DEFAULT_BUFFER_SIZE * 16):
        copy.write(chunk)
    copy.seek(0)
    return copy


# Tick ---------------------------------------------------------------------------------------


class Day(click.ParamType):
    """A day that an event may name."""

    name = "date"

    def convert(self, value: Any, param: Any, context: Any) -> date:
        if isinstance(value, date):
            return value
        try:
            day = datetime.strptime(value, "%Y-%m-%d").date()  # noqa: DTZ007 - a day, no instant
        except ValueError:
            self.fail(f"{value!r} is not a day like 2026-02-01", param, context)
        if not 2000 <= day.year <= 2199:
            self.fail(f"{value} lies outside 2000-01-01 to 2199-12-31", param, context)
        return day


@click.command()
@click.option("--as-of", type=Day(), required=True, help="Bill every label due by this day.")
@click.option(
    "--trigger",
    type=click.Choice(["nightly", "manual", "sweep"]),
    default="manual",
    show_default=True,
    help="What the run is called.",
)
@click.option(
    "--allow-gap",
    is_flag=True,
    help="Allow a day after today, and one more than 45 days past the business date.",
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
    """Move the business date on and bill what is due by it. Prints the tick's id and its outcome.

    Where the tick was refused the exit code is 1, and 3 where it is not judged yet. The run
    itself is the fleet's: `rollforward settle` waits for it, report.run shows it.
    """
    from shared.runtime.publishing import publish as send
    from shared.schemas.publish import structured

    servers = find(data)
    sending = Sending(_zone(servers))
    today = datetime.now(sending.zone).date()
    if as_of > today and not allow_gap:
        raise Misconfigured(
            f"{as_of} is after today ({today} in the business zone): a run for it would bill "
            "ahead of time; if that is what you want, add --allow-gap"
        )
    tick_id = f"{trigger}-{as_of}-{secrets.token_hex(4)}"
    said: dict[str, Any] = {
        "tick_id": tick_id,
        "period": f"{as_of:%Y-%m}",
        "as_of": as_of.isoformat(),
        "trigger": trigger,
    }
    if allow_gap:
        said["allow_gap"] = True
    message = structured(
        {
            "specversion": "1.0",
            "id": tick_id,
            "source": "rollforward/tick",
            "type": "billing.tick.v1",
            "time": datetime.now(UTC).isoformat(),
            "datacontenttype": "application/json",
            "data": said,
        }
    )
    if not as_json:
        click.echo(tick_id)
    asyncio.run(send(servers.kafka, sending.noted([(1, message)]), places=sending.places))
    (outcome,) = sending.wait(servers, timeout)
    refused = why(outcome)
    if as_json:
        told = {"outcome": outcome.outcome, "reason": outcome.reason, "sentence": refused}
        print_json(said | told)
    else:
        click.echo(" ".join(filter(None, (outcome.outcome, outcome.reason))))
    if refused is not None:
        raise Problem(refused)
    conclude([outcome], timeout)


def _zone(servers: Servers) -> ZoneInfo:
    """Return the fleet's business zone; before it is set up, the one of the settings."""
    from shared.ledger.postgres import reports

    name = ask(servers, reports.zone)
    return ZoneInfo(name) if name else servers.settings.zone


# What did not get through -------------------------------------------------------------------


@click.command()
@click.argument("customer", required=False)
@data_option
@json_option
def parked(customer: str | None, data: Path | None, as_json: bool) -> None:
    """List the commands that came too early and wait for their customer or his first period."""
    from shared.ledger.postgres import reports

    rows = ask(find(data), lambda connection: reports.parked(connection, customer))
    if as_json:
        print_json(plain(rows))
        return
    heads = ["command", "customer", "type", "parked at", "reason"]
    print_table(heads, rows) if rows else click.echo("nothing is parked")


@click.group()
def quarantine() -> None:
    """Customers that could not be billed and wait for a person."""


@quarantine.command("list")
@data_option
@json_option
def list_quarantine(data: Path | None, as_json: bool) -> None:
    """List who is quarantined, since when, and why."""
    from shared.ledger.postgres import reports

    rows = ask(find(data), reports.quarantine)
    if as_json:
        print_json(plain(rows))
    elif rows:
        print_table(["customer", "reason", "since"], rows)
    else:
        click.echo("nobody is quarantined")


@quarantine.command("retry")
@click.argument("customers", nargs=-1, metavar="[CUSTOMER]...")
@data_option
@json_option
def retry_quarantine(customers: tuple[str, ...], data: Path | None, as_json: bool) -> None:
    """Try quarantined customers again: these, or all.

    What was parked for them is applied in its order, and they are billed up to the business
    date. Who still cannot be billed stays quarantined. Exit code 1 where somebody named is not
    known, is not quarantined, or still cannot be billed; the others are released all the same.
    Pressing twice does no harm: who is not quarantined any more is left as they are.
    """
    from shared.runtime.restored import expect_whole
    from shared.runtime.retry import retry

    servers = find(data)
    if servers.kafka_address is not None:
        asyncio.run(expect_whole(servers.database, servers.kafka))
    results = asyncio.run(retry(servers.database, customers))
    if as_json:
        print_json([result._asdict() for result in results])
    elif results:
        heads = ["customer", "result", "applied", "still"]
        print_table(heads, [(r.customer_id, r.result, r.applied, r.reason) for r in results])
    else:
        click.echo("nobody is quarantined")
    left: dict[str, list[str]] = {}
    for result in results:
        if result.result != "released":
            left.setdefault(result.result, []).append(result.customer_id)
    if left:
        named = "; ".join(f"{what}: {', '.join(who)}" for what, who in left.items())
        raise Problem(f"not everyone was released ({named})")


@click.group()
def dlq() -> None:
    """Dead letters: records that could not be read, kept with their bytes intact."""


@dlq.command("list")
@data_option
@json_option
def list_letters(data: Path | None, as_json: bool) -> None:
    """List dead letters, oldest first: where each came from, why, and what would become of it.

    `now` is what today's reader says: `unreadable` still, `readable` (a replay would apply
    it), `applied` (its command has an outcome, or is parked). `came back as` names the letter
    that a replay of this one came back as.
    """
    from shared.runtime.dead_letters import letters

    servers = find(data)
    found = asyncio.run(letters(servers.kafka, servers.database, servers.settings.zone))
    if as_json:
        print_json([letter.told() for letter in found])
    elif found:
        heads = ["letter", "came from", "key", "at", "error", "now", "came back as"]
        print_table(heads, [letter.row() for letter in found])
    else:
        click.echo("there are no dead letters")


@dlq.command("replay")
@click.argument("names", nargs=-1, metavar="[LETTER]...")
@click.option("--unreadable", is_flag=True, help="Send those too that still cannot be read.")
@data_option
@json_option
def replay_letters(
    names: tuple[str, ...], unreadable: bool, data: Path | None, as_json: bool
) -> None:
    """Publish dead letters again where they came from: these, or all.

    Only those that today's reader can read and that have no outcome yet: pressing twice does no
    harm. With --unreadable also what still cannot be read, each once: it first waits until the
    fleet has settled, so that what was sent before and came back is known, and sends neither a
    letter that came back nor, unless it is named, the one that it came back as. Exit code 1 where
    the fleet does not settle within a minute; then nothing was sent.
    """
    from shared.runtime.dead_letters import letters
    from shared.runtime.publishing import publish as send

    servers = find(data)
    if unreadable:
        _expect_settled(servers)
    found = asyncio.run(letters(servers.kafka, servers.database, servers.settings.zone))
    unknown = set(names) - {letter.name for letter in found}
    if unknown:
        raise Misconfigured(f"there is no dead letter {min(unknown)}; see `dlq list`")
    wanted = [letter for letter in found if not names or letter.name in names]
    stuck = [letter for letter in wanted if letter.now == "unreadable"]
    anew = [
        letter
        for letter in stuck
        if letter.came_back_as is None and (letter.replay_of is None or letter.name in names)
    ]
    chosen = [letter for letter in wanted if letter.now == "readable"] + anew * unreadable
    count = asyncio.run(send(servers.kafka, [letter.message() for letter in chosen]))
    counts = {
        "replayed": count,
        "applied_already": sum(letter.now == "applied" for letter in wanted),
        "unreadable": len(stuck),
    }
    if as_json:
        print_json(counts)
        return
    said = f"replayed {count}; {counts['applied_already']} were applied already, "
    said += f"{len(stuck)} cannot be read"
    if unreadable:
        said += f" ({len(anew)} sent all the same, {len(stuck) - len(anew)} came back before)"
    click.echo(said)


def _expect_settled(servers: Servers) -> None:
    """Return when all that was sent is judged, dead letters out; Problem after a minute."""
    from shared.runtime.settle import NotSettled, settle

    try:
        asyncio.run(settle(servers.kafka, servers.database))
    except NotSettled as missing:
        raise Problem(
            f"nothing was sent, because it is not known yet what came back of an earlier replay: "
            f"{missing}; try again when `rollforward settle` succeeds"
        ) from missing
