"""Every story comes out, on every engine that keeps the books."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stories.grammar import NotUnderstood, read
from tests.stories.play import Engine, play
from tests.support.naive_views import NaiveBooks
from tests.support.rules import Rules, StoredRules

STORIES = sorted(Path(__file__).parent.glob("*.story"))
ENGINES: dict[str, Callable[[], Engine]] = {
    "naive": NaiveBooks,
    "rules": Rules,
    "rules as stored": StoredRules,
}


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> Engine:
    return ENGINES[request.param]()


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story(path: Path, engine: Engine) -> None:
    play(read(path), engine)


def test_a_story_with_a_wrong_figure_fails(tmp_path: Path, engine: Engine) -> None:
    story = tmp_path / "wrong.story"
    story.write_text(
        "2026-01-17  signup  rahim  1000.00 a month, start of month\n"
        "2026-01     previous 0.00   billed 483.88   paid 0.00   due 483.88\n"
    )

    with pytest.raises(AssertionError, match=r"wrong, line 2: the books say"):
        play(read(story), engine)


def test_a_story_that_leaves_a_period_out_fails(tmp_path: Path, engine: Engine) -> None:
    story = tmp_path / "short.story"
    story.write_text(
        "2026-01-17  signup  rahim  1000.00 a month, start of month\n"
        "2026-02-01  tick    2026-02\n"
        "2026-01     due 483.87\n"
    )

    with pytest.raises(AssertionError, match="short, line 3"):
        play(read(story), engine)


@pytest.mark.parametrize(
    "line",
    ["2026-01-17  borrow  rahim  10.00", "2026-01-17  pay  rahim  1.00, vip", "nonsense"],
)
def test_a_line_outside_the_grammar_is_named(tmp_path: Path, line: str) -> None:
    story = tmp_path / "odd.story"
    story.write_text(f"# a story\n{line}\n")

    with pytest.raises(NotUnderstood, match="line 2"):
        read(story)
