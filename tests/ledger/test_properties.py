"""Thousands of random histories, and the promises that each of them must keep.

    pytest tests/ledger/test_properties.py --histories 20000 --seed 1

The two cores of a small machine share the work. A failure names its seed and how to play
that history alone.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from itertools import chain

import pytest

from tests.support.options import seeds
from tests.support.promises import PROMISES, Broken, broken_by

PROCESSES = 2
SEEDS_AT_ONCE = 25
SHOWN_MAX = 3


@pytest.fixture(scope="module")
def broken(request: pytest.FixtureRequest) -> list[Broken]:
    """Every promise that a history broke. All promises are tried on a history at one go."""
    asked = seeds(request.config)
    chunks = [asked[n : n + SEEDS_AT_ONCE] for n in range(0, len(asked), SEEDS_AT_ONCE)]
    if len(chunks) == 1:
        return broken_by(chunks[0])
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=spawn) as pool:
        return list(chain.from_iterable(pool.map(broken_by, chunks)))


@pytest.mark.timeout(0)
@pytest.mark.parametrize("promise", PROMISES)
def test_promise(promise: str, broken: list[Broken]) -> None:
    found = [each for each in broken if each.promise == promise]

    assert not found, _told(found)


def _told(found: list[Broken]) -> str:
    """Say what broke, the first few whole, and how to play one of the histories alone."""
    first = found[0].seed
    replay = f"pytest {__name__.replace('.', '/')}.py --histories 1 --seed {first}"
    shown = "\n".join(f"seed {each.seed}: {each.how}" for each in found[:SHOWN_MAX])
    return f"{len(found)} histories break it. Play the first alone: {replay}\n{shown}"
