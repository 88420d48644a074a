"""The generated parts of docs/commands.md and docs/metrics.md are what the code says."""

import re
import shlex

import click
import pytest

from services.console import reference
from services.console.main import main

CATALOGUE = reference.DOCS.parent / "shared" / "runtime" / "metrics.py"
COMMANDS = (reference.DOCS / "commands.md").read_text("utf-8")


@pytest.mark.parametrize("name", sorted(reference.PAGES))
def test_making_a_page_again_gives_the_same_bytes(name: str) -> None:
    file = reference.DOCS / name
    assert file.read_text("utf-8") == reference.page(file), (
        "run `.venv/bin/python -m services.console.reference`"
    )


def test_every_command_has_its_heading_and_every_option_its_row() -> None:
    def walk(group: click.Group, path: str) -> None:
        for name, command in group.commands.items():
            inner = f"{path} {name}".strip()
            assert re.search(rf"^##+ {re.escape(inner)}$", COMMANDS, re.MULTILINE), inner
            section = re.split(rf"^##+ {re.escape(inner)}$", COMMANDS, flags=re.MULTILINE)[1]
            section = re.split(r"^##+ ", section, flags=re.MULTILINE)[0]
            for param in command.params:
                if isinstance(param, click.Option):
                    assert all(f"`{each}`" in section for each in param.opts), (inner, param.opts)
            if isinstance(command, click.Group):
                walk(command, inner)

    walk(main, "")


def test_examples_of_the_page_can_be_typed() -> None:
    """Only the words are read; no example is run."""
    head = COMMANDS.partition(reference.MARK)[0]
    examples = re.findall(r"^rollforward (.*)$", head, re.MULTILINE)
    assert len(examples) > 12
    for example in examples:
        words = shlex.split(example, comments=True)
        command: click.Command = main
        while isinstance(command, click.Group):
            found = command.get_command(click.Context(command), words.pop(0))
            assert found is not None, example
            command = found
        command.make_context(example, words)


def test_every_metric_of_the_catalogue_is_listed_with_its_labels() -> None:
    page = (reference.DOCS / "metrics.md").read_text("utf-8")
    rows = {row.split("`")[1]: row for row in page.splitlines() if row.startswith("| `billing_")}
    declared = re.findall(r'\(\s*"(billing_\w+)",', CATALOGUE.read_text("utf-8"))
    assert [name.removesuffix("_total") for name in rows] == [
        name.removesuffix("_total") for name in declared
    ]
    assert "`topic`, `type`, `outcome`" in rows["billing_events_total"]
    assert "`topic`" in rows["billing_event_seconds"]
