"""Tells a short story to every engine at once; its figures must come out of each of them."""

from textwrap import dedent

from tests.stories.grammar import understood
from tests.stories.play import Engine, play
from tests.support.naive_views import NaiveBooks
from tests.support.rules import Rules, StoredRules


def tell(text: str) -> tuple[Engine, ...]:
    """Play a story, written as tests/stories/README.md says, on the naive model and on the
    rules; return the engines, the rules as stored last."""
    story = understood("story", dedent(text))
    engines: tuple[Engine, ...] = (NaiveBooks(), Rules(), StoredRules())
    for engine in engines:
        play(story, engine)
    return engines
