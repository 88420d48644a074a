"""The fleet itself: `demo`, `up`, `migrate`, `partitions`, `worker`, `settle`."""

import asyncio
import time
from pathlib import Path

import click

from services.console.finding import ask, data_option, find, json_option, wait
from services.console.problems import Misconfigured, Problem
from services.console.values import Seconds
from services.workers import WORKERS, parts_of, worker_command
from shared.ledger.sentences import counted, sentence
from shared.operator.printing import print_json, progress
from shared.runtime.settings import Settings

timeout_option = click.option(
    "--timeout",
    type=Seconds(),
    default=60.0,
    show_default=True,
    metavar="S",
    help="How many seconds to wait until the fleet has settled.",
)


@click.command()
@click.option(
    "--customers",
    type=click.IntRange(min=1),
    default=2000,
    show_default=True,
    help="Number of customers.",
)
def demo(customers: int) -> None:
    """Play a month of an ISP: start everything, sign up, bill, take payments, show it, stop.

    Needs no configuration and leaves nothing behind.
    """
    from demos.month import play

    asyncio.run(play(customers))


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="The folder for all data (else ROLLFORWARD_DATA).",
)
@click.option(
    "--copies",
    "copies",
    multiple=True,
    metavar="NAME=N",
    callback=lambda _context, _option, given: dict(map(_copies, given)),
    help="Number of workers of a kind instead of one, such as generator=2; may be repeated.",
)
def up(data: Path | None, copies: dict[str, int]) -> None:
    """Run broker, database and all workers until interrupted (Ctrl-C).

    It says on stderr what it starts. When all is ready it prints one line and writes
    DIR/connection.json. A worker that dies is started again. Where ROLLFORWARD_KAFKA or
    ROLLFORWARD_DATABASE_URL is set, that server is used instead of an embedded one. All data stays
    in DIR.
    """
    settings = Settings.from_environment()
    folder = data or settings.data
    if folder is None:
        raise click.UsageError("name a folder for all data: --data DIR, or ROLLFORWARD_DATA")
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"{folder} cannot be used: {error.strerror}") from error
    progress(f"starting {_what_starts(settings)} ...")
    from shared.embedded.fleet import Fleet, run_until_interrupted
    from shared.embedded.preparing import prepare

    workers = dict.fromkeys(WORKERS, 1) | copies
    fleet = Fleet(
        folder, workers, prepare=prepare(settings), command=worker_command, settings=settings
    )
    asyncio.run(run_until_interrupted(fleet, click.echo))


def _what_starts(settings: Settings) -> str:
    servers = {"Kafka": settings.kafka, "PostgreSQL": settings.database_url}
    ours = [name for name, address in servers.items() if not address]
    return f"{', '.join(ours)} and the workers" if ours else "the workers"


def _copies(given: str) -> tuple[str, int]:
    name, _, count = given.partition("=")
    if (
        name not in WORKERS
        or not (count.isascii() and count.isdecimal())
        or not 1 <= int(count) <= 100
    ):
        raise click.BadParameter(f"{given!r} is not NAME=N with a name of {', '.join(WORKERS)}")
    return name, int(count)


@click.command()
@click.option(
    "--line-parts",
    type=click.IntRange(min=1),
    metavar="N",
    help="Part the lines of a new book into N partitions by bucket; N divides the buckets.",
)
@data_option
def migrate(line_parts: int | None, data: Path | None) -> None:
    """Bring the database and the topics up to date. Safe to repeat."""
    from shared.operator.set_up import set_up

    servers = find(data)
    steps = set_up(servers.kafka, servers.database, servers.settings, line_parts)
    for step in wait(steps, "bringing the book and the topics up to date"):
        click.echo(step)


@click.command()
@click.argument("count", type=click.IntRange(min=1), metavar="N")
@timeout_option
@data_option
@json_option
def partitions(count: int, timeout: float, data: Path | None, as_json: bool) -> None:
    """Multiply the partitions of a fleet: N for each topic that has the fleet's count.

    N is a multiple of the present count, and divides the fleet's buckets. First it waits until the
    fleet has settled. Running workers go on by themselves within seconds. Events of one customer
    that are published in the very seconds of the switch may be applied in another order, so pause
    the publishers, or choose a quiet time. Safe to repeat, also after it was killed.
    """
    from shared.operator.multiplying import multiply

    servers = find(data)
    multiplied = multiply(servers.kafka, servers.database, count, timeout)
    done = wait(multiplied, "waiting for the fleet, then multiplying")
    if as_json:
        print_json({"before": done.before, "partitions": done.now, "topics": done.topics})
        return
    if done.topics:
        click.echo(f"{counted(len(done.topics), 'topic')} got more: {', '.join(done.topics)}")
    if done.before == done.now:
        click.echo(f"the fleet has {done.now} partitions already")
    else:
        click.echo(f"the fleet has {done.now} partitions, and had {done.before}")
        progress("running workers go on by themselves within seconds")


@click.command()
@click.argument("name", type=click.Choice(WORKERS), metavar="NAME")
def worker(name: str) -> None:
    """Run one worker until SIGTERM or Ctrl-C: coordinator, generator, collector, notifier or relay.

    Configured by the environment alone: ROLLFORWARD_KAFKA and ROLLFORWARD_DATABASE_URL are the
    servers; ROLLFORWARD_ZONE and ROLLFORWARD_PARTITIONS are those the fleet was set up with.
    """
    from shared.runtime.orphan import end_with_supervisor
    from shared.runtime.worker import run

    settings = Settings.from_environment()
    end_with_supervisor(settings.supervisor)
    run(name, settings, parts_of)


@click.command()
@timeout_option
@data_option
@json_option
def settle(timeout: float, data: Path | None, as_json: bool) -> None:
    """Wait until all that was published so far is applied, runs are done, and events are out.

    After the timeout it prints what is missing, with exit code 1. A refused command counts as done;
    stderr shows how many were refused meanwhile, and whether the newest tick was.
    """
    from shared.ledger.postgres import reports
    from shared.operator.settle import NotSettled
    from shared.operator.settle import settle as settled

    servers = find(data)
    began = time.perf_counter()
    try:
        wait(settled(servers.kafka, servers.database, timeout), "waiting for the fleet")
    except NotSettled as missing:
        if as_json:
            print_json({"settled": False, "missing": missing.missing})
        raise Problem(str(missing)) from missing
    elapsed = time.perf_counter() - began
    lately = ask(servers, lambda book: reports.refused_lately(book, elapsed))
    if lately["refused"]:
        progress(f"refused meanwhile: {lately['refused']}; `rollforward refusals` shows each")
    if lately["tick"] is not None:
        progress("the newest tick made no run. " + sentence(lately["reason"], lately["tick"], None))
    seconds = round(elapsed, 3)
    if as_json:
        print_json({"settled": True, "seconds": seconds})
    else:
        progress(f"settled in {seconds:.2f} s")
