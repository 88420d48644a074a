"""Three seeds of chaos, which together inject every fault there is."""

import logging
from pathlib import Path
from random import Random

import pytest

from tests.faults import chaos
from tests.faults.injected import FAULTS

SEEDS = (92, 193, 307)


def test_the_seeds_inject_every_fault() -> None:
    injected = {
        fault for seed in SEEDS for stretch in chaos.choose(Random(seed)) for fault in stretch
    }
    assert injected == set(FAULTS)


@pytest.mark.parametrize("seed", SEEDS)
async def test_every_promise_holds_through_chaos(seed: int, tmp_path: Path) -> None:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # servers are away on purpose
    assert await chaos.run(seed, tmp_path) == []
