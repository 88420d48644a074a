"""docs/rules.md: its examples come out on every engine, and its reasons are those of the rules."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from shared.ledger.reasons import Reason, Waiting
from tests.support.tell import tell

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text("utf-8")


def examples() -> Iterator[tuple[str, str]]:
    """Yield each story of the page with the heading that it stands under."""
    for heading, section in re.findall(
        r"^##+ (.+?)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL
    ):
        stories = re.findall(r"```story\n(.*?)```", section, re.DOTALL)
        yield from ((f"{heading} {number}", story) for number, story in enumerate(stories, 1))


@pytest.mark.parametrize("story", [pytest.param(text, id=name) for name, text in examples()])
def test_an_example_of_the_page_comes_out(story: str) -> None:
    tell(story)


def test_every_story_of_the_page_is_played() -> None:
    assert len(list(examples())) == PAGE.count("```story") > 15


def test_the_page_lists_every_reason() -> None:
    section = PAGE.partition("## Reasons\n")[2]

    assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == sorted(get_args(Reason))
    assert set(re.findall(r"`(\w+)`", section.rpartition("parked:")[2])) == set(get_args(Waiting))
