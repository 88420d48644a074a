"""`publish`: sends the events of a file to the topics of their types."""

import asyncio
import io
import tempfile
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from services.console.commands.outcomes import (
    Sending,
    print_outcomes,
    timeout_option,
)
from services.console.finding import business_zone, data_option, find, json_option
from services.console.problems import Problem
from shared.ledger.sentences import counted
from shared.operator.printing import Counter, print_json, progress

if TYPE_CHECKING:
    from shared.schemas.envelope import Message

FAULTS_MAX = 20
SPOOL_BYTES_MAX = 1 << 24


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--wait", is_flag=True, help="Wait for the outcome of each, and print it.")
@click.option("--anyway", is_flag=True, help="Send events that the fleet cannot read, too.")
@timeout_option
@data_option
@json_option
def publish(
    file: IO[bytes], wait: bool, anyway: bool, timeout: float, data: Path | None, as_json: bool
) -> None:
    """Publish FILE.jsonl, one structured CloudEvent a line; `-` reads stdin.

    The whole file is read first as the fleet would read it: each malformed line is named with its
    reason, nothing is sent, and the exit code is 1. With --anyway such lines are sent too and end
    as dead letters, unless they cannot be routed at all (not JSON, unknown type, no key). Events of
    one customer keep their order within a topic only: a payment may be judged before a signup of
    the same file, and then waits for it. With --wait the exit code is 1 where one was refused,
    conflicting or malformed, and 3 where one is not judged yet.
    """
    from shared.operator.publish import publish as send

    servers = find(data)
    sending = Sending(business_zone(servers)) if wait else None
    lines = _rewindable(file)
    name = getattr(file, "name", "stdin")
    _expect_sound(name, lines, None if anyway else servers.settings.zone)
    lines.seek(0)
    counter = Counter("events sent")
    messages = ((number, message) for number, message, _ in _messages(lines) if message is not None)
    if sending is None:
        count = asyncio.run(send(servers.kafka, (message for _, message in messages), counter))
    else:
        noted = sending.noted(messages)
        count = asyncio.run(send(servers.kafka, noted, counter, sending.places))
    counter.done()
    if count == 0:
        progress(f"{name} holds no event; nothing was sent")
    if sending is not None:
        print_outcomes(sending, servers, timeout, as_json)
    elif as_json:
        print_json({"published": count})
    else:
        click.echo(f"published {counted(count, 'event')}")


def _expect_sound(name: str, lines: IO[bytes], zone: ZoneInfo | None) -> None:
    """Check every line; name the first faults and raise Problem where there are any. With a zone
    the fleet must be able to read each; without, it is enough that each can be routed."""
    from shared.schemas.codec import decode
    from shared.schemas.malformed import Malformed

    faults = unroutable = 0
    for number, message, fault in _messages(lines):
        unroutable += message is None
        if message is not None and zone is not None:
            try:
                decode(message.topic, message.key, message.value, message.headers, zone)
            except Malformed as malformed:
                fault = malformed.reason
        if fault is not None:
            faults += 1
            if faults <= FAULTS_MAX:
                progress(f"{name}:{number}: {fault}")
    if faults > FAULTS_MAX:
        progress(f"and {faults - FAULTS_MAX} more")
    if unroutable:
        raise Problem(f"{counted(unroutable, 'line')} cannot be routed; nothing was sent")
    if faults:
        raise Problem(
            f"{counted(faults, 'line')} cannot be read by the fleet; nothing was sent."
            " Mend the file, or add --anyway to send all as it is: what is malformed ends as a"
            " dead letter"
        )


def _messages(lines: IO[bytes]) -> "Iterator[tuple[int, Message | None, str | None]]":
    """Yield (line number, message, fault) for each line that is not blank; one of the two is
    None."""
    from shared.operator.publish import VALUE_BYTES_MAX
    from shared.schemas.malformed import Malformed
    from shared.schemas.publish import from_line

    for number, line in enumerate(lines, start=1):
        if number == 1:
            line = line.removeprefix(BOM_UTF8)
        if not line.strip():
            continue
        if len(line) > VALUE_BYTES_MAX:
            yield number, None, f"{len(line)} bytes are more than a broker accepts"
            continue
        try:
            yield number, from_line(line), None
        except Malformed as malformed:
            yield number, None, malformed.reason


def _rewindable(file: IO[bytes]) -> IO[bytes]:
    """Return the file, or a copy if it cannot be read twice."""
    if file.seekable():
        return file
    copy = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES_MAX)  # noqa: SIM115 - lent out
    while chunk := file.read(io.DEFAULT_BUFFER_SIZE * 16):
        copy.write(chunk)
    copy.seek(0)
    return copy
