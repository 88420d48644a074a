"""`dlq`: the records that could not be read, and their replay."""

from pathlib import Path

import click

from services.console.finding import Servers, business_zone, data_option, find, json_option, wait
from services.console.problems import Misconfigured, Problem
from shared.operator.printing import print_json, print_table


@click.group()
def dlq() -> None:
    """Dead letters: records that could not be read, kept with their bytes intact."""


@dlq.command("list")
@data_option
@json_option
def list_letters(data: Path | None, as_json: bool) -> None:
    """List dead letters, oldest first: where each came from, why, and what a replay would do.

    `now` is its state with this release: still `unreadable`, `readable` (a replay would apply it),
    or `applied` (its command has an outcome, or is parked). `came back as` names the letter that a
    replay of this one became.
    """
    from shared.operator.dead_letters import letters

    servers = find(data)
    zone = business_zone(servers)
    found = wait(letters(servers.kafka, servers.database, zone), "reading the dead letters")
    if as_json:
        print_json([letter.as_values() for letter in found])
    elif found:
        heads = ["letter", "came from", "key", "at", "error", "now", "came back as"]
        print_table(heads, [letter.row() for letter in found], zone)
    else:
        click.echo("there are no dead letters")


@dlq.command("replay")
@click.argument("names", nargs=-1, metavar="[LETTER]...")
@click.option("--unreadable", is_flag=True, help="Also send those that still cannot be read.")
@data_option
@json_option
def replay_letters(
    names: tuple[str, ...], unreadable: bool, data: Path | None, as_json: bool
) -> None:
    """Publish dead letters again to the topics they came from: these, or all.

    Sends only those that this release can read and that have no outcome yet, so it is safe to
    repeat. With --unreadable also those that still cannot be read, each once: it first waits until
    the fleet has settled, to know which of them an earlier replay made, and sends neither a letter
    whose replay came back nor, unless it is named, the one that it came back as. Exit code 1 where
    the fleet does not settle within a minute; then nothing was sent.
    """
    from shared.operator.dead_letters import letters
    from shared.operator.publish import publish as send

    servers = find(data)
    if unreadable:
        _expect_settled(servers)
    zone = business_zone(servers)
    found = wait(letters(servers.kafka, servers.database, zone), "reading the dead letters")
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
    count = wait(
        send(servers.kafka, [letter.message() for letter in chosen]), "sending the letters"
    )
    counts = {
        "replayed": count,
        "applied_already": sum(letter.now == "applied" for letter in wanted),
        "unreadable": len(stuck),
    }
    if as_json:
        print_json(counts)
        return
    summary = f"replayed {count}; applied already: {counts['applied_already']}, "
    summary += f"unreadable: {len(stuck)}"
    if unreadable:
        back = len(stuck) - len(anew)
        summary += f" (sent all the same: {len(anew)}, came back from an earlier replay: {back})"
    click.echo(summary)


def _expect_settled(servers: Servers) -> None:
    """Return when the fleet has settled; raise Problem after a minute."""
    from shared.operator.settle import NotSettled, settle

    try:
        wait(settle(servers.kafka, servers.database), "waiting for the fleet")
    except NotSettled as missing:
        raise Problem(
            f"nothing was sent, because letters of an earlier replay may still come back: "
            f"{missing}; try again when `rollforward settle` succeeds"
        ) from missing
