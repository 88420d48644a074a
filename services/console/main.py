"""The command line: `rollforward` with every command (docs/commands.md).

A command finds the fleet, calls one function and prints. Slow libraries are imported by the
commands that need them, so that the others start at once.
"""

from typing import Any

import click

from services.console.commands.asking import COMMANDS
from services.console.commands.bench import bench
from services.console.commands.customers import customers
from services.console.commands.dead_letters import dlq
from services.console.commands.export import export
from services.console.commands.fleet import demo, migrate, partitions, settle, up, worker
from services.console.commands.parked import parked
from services.console.commands.policy import policy
from services.console.commands.positions import positions
from services.console.commands.proofs import seal, verify
from services.console.commands.publish import publish
from services.console.commands.quarantine import quarantine
from services.console.commands.refusals import refusals
from services.console.commands.rehearse import rehearse
from services.console.commands.report import report
from services.console.commands.restoring import notices, restored
from services.console.commands.statement import explain, statement
from services.console.commands.tick import tick
from services.console.output import until_interrupted, until_reader_leaves
from services.console.problems import explained


class Commands(click.Group):
    """The group of all commands: lists them in the order in which they were added, and turns an
    expected error into one line and an exit code."""

    def list_commands(self, _: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, context: click.Context) -> Any:
        with until_interrupted(), explained(), until_reader_leaves():
            return super().invoke(context)

    def make_context(self, *arguments: Any, **named: Any) -> click.Context:
        with until_interrupted(), until_reader_leaves():  # --help and --version are said here
            return super().make_context(*arguments, **named)


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="rollforward", prog_name="rollforward")
def main() -> None:
    """Bills the customers of internet service providers: events in over Kafka, an append-only
    ledger in PostgreSQL.

    \b
    To see it:           rollforward demo
    To run it here:      rollforward up --data ./fleet
    then, elsewhere:     export ROLLFORWARD_DATA=./fleet
                         rollforward policy apply policy.toml
                         rollforward publish events.jsonl
                         rollforward tick --as-of 2026-02-01
                         rollforward settle
                         rollforward statement CUSTOMER
    With servers of your own set ROLLFORWARD_KAFKA and ROLLFORWARD_DATABASE_URL,
    run `rollforward migrate` once and `rollforward worker NAME` for each worker.

    Answers go to stdout (--json for programs), progress to stderr. Exit codes: 0 done,
    1 something is wrong with the data or a check failed, 2 wrong usage or configuration,
    3 a server cannot be reached.
    """


for command in (
    demo,
    up,
    migrate,
    partitions,
    worker,
    policy,
    publish,
    tick,
    settle,
    *COMMANDS,
    customers,
    statement,
    explain,
    verify,
    seal,
    export,
    rehearse,
    report,
    refusals,
    parked,
    dlq,
    quarantine,
    positions,
    restored,
    notices,
    bench,
):
    main.add_command(command)


if __name__ == "__main__":
    main()
