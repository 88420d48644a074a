"""Waiting for outcomes and printing them, for `tick` and `publish --wait`."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

import click

from services.console.finding import Servers, wait
from services.console.problems import Away, Problem
from services.console.values import Seconds
from shared.ledger.sentences import counted, sentence
from shared.operator.printing import print_json, print_table, progress

if TYPE_CHECKING:
    from shared.operator.outcomes import Asked, Outcome
    from shared.schemas.envelope import Message

F = TypeVar("F", bound=Callable[..., Any])
QUIET_SECONDS = 30.0


def timeout_option(command: F) -> F:
    """Give a command the option --timeout, as the argument `timeout` (seconds)."""
    return click.option(
        "--timeout",
        type=Seconds(),
        default=QUIET_SECONDS,
        show_default=True,
        metavar="S",
        help="How many seconds to wait while the fleet reads none of what was sent.",
    )(command)


class Sending:
    """Remembers each event that is sent, then waits for its outcome.

    `places` is filled by `shared.operator.publish.publish`; `numbers` are the lines of the events,
    and `found` their outcomes once `wait` has returned.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self.places: dict[tuple[str, int], int] = {}
        self.numbers: list[int] = []
        self.found: list[Outcome] = []
        self._events: list[Asked] = []

    def noted(self, messages: "Iterable[tuple[int, Message]]") -> "Iterator[Message]":
        """Yield the messages of (line, message), and remember each."""
        from shared.operator.outcomes import asked

        for number, message in messages:
            self.numbers.append(number)
            self._events.append(asked(message, self.zone))
            yield message

    def judged(self, servers: Servers, message: "Message", timeout: float) -> "Outcome":
        """Send one event, wait for its outcome and return it; errors as of `wait`."""
        from shared.operator.publish import publish

        sent = publish(servers.kafka, self.noted([(1, message)]), places=self.places)
        wait(sent, "sending")
        (outcome,) = self.wait(servers, timeout)
        return outcome

    def wait(self, servers: Servers, timeout: float) -> "Sequence[Outcome]":
        """Return the outcome of each event; raise Away when the database does not answer."""
        from shared.operator.outcomes import outcomes
        from shared.operator.servers import Unreachable

        try:
            found = outcomes(servers.database, self._events, self.places, timeout)
            self.found = wait(found, "waiting for the fleet")
        except Unreachable as error:
            raise Away(
                f"sent, but the outcome is not known: {error}."
                " The fleet judges it when it can; do not send it again under another id"
            ) from error
        return self.found

    def as_values(self) -> list[dict[str, Any]]:
        """Return each outcome as a plain value, for JSON."""
        return [
            {"line": number, **each._asdict(), "sentence": why(each)}
            for number, each in zip(self.numbers, self.found, strict=True)
        ]

    def rows(self) -> list[tuple[Any, ...]]:
        """Return each outcome as a row under `HEADS`; why it is malformed does not fit there."""
        return [
            (number, *(each if each.outcome != "malformed" else each._replace(reason=None)))
            for number, each in zip(self.numbers, self.found, strict=True)
        ]

    def malformed(self) -> list[str]:
        """Return a sentence for each event that could not be read."""
        return [
            f"line {number}: {each.reason}"
            for number, each in zip(self.numbers, self.found, strict=True)
            if each.outcome == "malformed"
        ]


HEADS = ("line", "command", "customer", "outcome", "reason", "first")


def why(outcome: "Outcome") -> str | None:
    """Return why an event was refused; None where it was accepted, or is not judged yet."""
    if outcome.is_done or outcome.command_id is None:
        return None
    return sentence(outcome.reason or "", outcome.command_id, outcome.customer_id)


def print_outcomes(sending: Sending, servers: Servers, timeout: float, as_json: bool) -> None:
    """Wait for the outcomes of what was sent, print them, and `conclude`."""
    found = sending.wait(servers, timeout)
    if as_json:
        print_json({"published": len(found), "outcomes": sending.as_values()})
    else:
        click.echo(f"published {counted(len(found), 'event')}")
        _print_rows(sending.rows())
        for words in (*filter(None, map(why, found)), *sending.malformed()):
            progress(words)
    conclude(found, timeout)


def _print_rows(rows: Sequence[tuple[Any, ...]]) -> None:
    """Print outcomes under their heads, without the last columns where no row fills them."""
    used = [at for at in range(len(HEADS)) if any(row[at] is not None for row in rows)]
    columns = max(used, default=3) + 1
    print_table(HEADS[:columns], [row[:columns] for row in rows])


def conclude(found: "Sequence[Outcome]", timeout: float) -> None:
    """End with exit code 1 where something was refused, 3 where something is not judged yet."""
    undone = Counter(each.outcome for each in found if not each.is_done)
    if undone:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(undone.items()))
        raise Problem(
            f"not done: {undone.total()} of {counted(len(found), 'event')}: {counts};"
            " `rollforward refusals` and `rollforward dlq list` show them"
        )
    if pending := sum(each.outcome == "pending" for each in found):
        raise Away(
            f"sent, not judged yet: {pending} of {counted(len(found), 'event')}; the fleet has read"
            f" nothing of what was sent for {timeout:g} s. Nothing is lost: they are judged when"
            " the workers read on; `rollforward settle` says what is behind"
        )
