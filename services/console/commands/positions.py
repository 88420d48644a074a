"""`positions`: where consumers are in Kafka's logs, and what a person can do about it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from services.console.finding import Servers, data_option, find, json_option, wait
from services.console.problems import Problem
from shared.ledger.sentences import counted
from shared.operator.printing import print_json, print_table, progress

if TYPE_CHECKING:
    import asyncpg

    from shared.kafka.asker import Asker

T = TypeVar("T")
TOPICS = (
    "billing.signups.v1",
    "billing.payments.v1",
    "billing.ticks.v1",
    "billing.ledger.v1",
    "billing.rechecks.v1",
)


@click.group()
def positions() -> None:
    """Where each consumer is in Kafka, and which partitions wait for a person."""


@positions.command("list")
@data_option
@json_option
def list_positions(data: Path | None, as_json: bool) -> None:
    """List each consumer's position beside the beginning and the end of the log.

    `stands still` says why a partition is not read: its topic was made anew, its log ends before
    the position or begins after it, or its topic has another number of partitions.
    """
    from shared.operator.whereabouts import whereabouts
    from shared.runtime.positions import WHOLE

    found = wait(_with_both(find(data), whereabouts), "comparing with Kafka")
    if as_json:
        found_as = [each._asdict() | {"stands_still": each.why is not None} for each in found]
        print_json([each | {"partition": _number(each["partition"], WHOLE)} for each in found_as])
        return
    heads = ["consumer", "topic", "partition", "position", "begin", "end", "stands still"]
    rows = [(*each[:2], _number(each.partition, WHOLE), *each[3:]) for each in found]
    print_table(heads, rows)


def _number(partition: int, whole: int) -> int | None:
    return None if partition == whole else partition


@positions.command("reset")
@click.argument("topic", type=click.Choice(TOPICS), metavar="TOPIC")
@click.option(
    "--to",
    "place",
    type=click.Choice(["beginning"]),
    required=True,
    help="Where to read from: the first record that the topic still has.",
)
@data_option
@json_option
def reset_positions(topic: str, place: str, data: Path | None, as_json: bool) -> None:
    """Let the consumer of TOPIC read it again from its beginning.

    For a topic that was made anew, or whose log has lost records. What was applied comes as
    duplicates and changes nothing; what the log no longer has must be published again by its
    publishers. Running workers notice within seconds. For billing.ledger.v1 every line is published
    again from the book. Safe to repeat.
    """
    from shared.operator.whereabouts import CannotReset, reset
    from shared.schemas.topics import LEDGER

    try:
        before = wait(
            _with_both(find(data), lambda c, a: reset(c, a, topic)), "comparing with Kafka"
        )
    except CannotReset as why:
        raise Problem(f"nothing was reset: {why}") from why
    was = [each for each in before if each.position is not None]
    if as_json:
        print_json({"topic": topic, "to": place, "before": {e.partition: e.position for e in was}})
        return
    stood = sum(each.why is not None for each in was)
    click.echo(
        f"{topic} is read again from its beginning: {counted(len(was), 'position')},"
        f" {stood} stood still"
    )
    if topic == LEDGER:
        progress("every line of the ledger is published again; readers recognise repeats by seq")
    else:
        progress("what is no longer in the topic must be published again by its publishers")


@positions.command("set-aside")
@click.argument("topic", type=click.Choice(TOPICS[:3]), metavar="TOPIC")
@data_option
@json_option
def set_positions_aside(topic: str, data: Path | None, as_json: bool) -> None:
    """Copy the records of TOPIC that are not applied to its dead letters, before TOPIC is made
    anew.

    For a topic with another number of partitions than the fleet: see PartitionsChanged in the
    runbook. When it is made anew and reset, `rollforward dlq replay` sends the copies to it, byte
    for byte. Stop its publishers first.
    """
    from shared.operator.setting_aside import set_aside
    from shared.schemas.topics import dead_letters_of

    servers = find(data)
    count = wait(
        _with_both(servers, lambda c, a: set_aside(c, a, servers.kafka, topic)),
        "reading what is left",
    )
    if as_json:
        print_json({"topic": topic, "set_aside": count})
    else:
        click.echo(f"copied {counted(count, 'record')} of {topic} to {dead_letters_of(topic)}")


async def _with_both(
    servers: Servers, ask: "Callable[[asyncpg.Connection, Asker], Awaitable[T]]"
) -> T:
    from shared.operator.servers import asking, database

    async with database(servers.database) as connection, asking(servers.kafka) as asker:
        return await ask(connection, asker)
