"""Options of the test run: how many random histories and hostile events, from which seed on, and
how long servers are away."""

import pytest

HISTORIES = 2000
FIRST_SEED = 1
HOSTILE = 3000
OUTAGE_SECONDS = 5.0


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("rollforward")
    group.addoption(
        "--histories", type=int, default=HISTORIES, help="how many random histories to play"
    )
    group.addoption(
        "--seed", type=int, default=FIRST_SEED, help="the seed of the first random history"
    )
    group.addoption(
        "--hostile", type=int, default=HOSTILE, help="how many hostile events the codecs read"
    )
    group.addoption(
        "--outage", type=float, default=OUTAGE_SECONDS, help="for how many seconds servers are away"
    )
    group.addoption(
        "--write-shape", action="store_true", help="write shape.json anew, from the migrations"
    )


def seeds(config: pytest.Config) -> range:
    """Return the seeds of the random histories to play."""
    first = config.getoption("seed", FIRST_SEED)
    return range(first, first + config.getoption("histories", HISTORIES))
