"""`demo` and `bench` on real servers, small: what they print, and that nothing of them is left.

Each is a process with a fleet of its own. They are started together and run two at a time, for
starting takes most of their time.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

COMMANDS = {
    "demo": "demo --customers 20",
    "bill-run": "bench bill-run --customers 2 --age 2 --copies 1 --whole-fleet",
    "payments": "bench payments --customers 2 --count 3 --age 1 --copies 1",
    "latency": "bench latency --customers 1 --count 1 --age 1",
    "cascade": "bench cascade --count 1 --age 2",
}
ALONE = ("bench", "units", "seconds", "per_second", "copy_per_second", "ratio",
         "single_per_second", "peak_rss_mb")  # fmt: skip
TIMES = ("p50_ms", "p99_ms", "bare_p50_ms")
ONE_OF_EACH = dict.fromkeys(("coordinator", "generator", "collector", "notifier", "relay"), 1)

pytestmark = pytest.mark.timeout(600)  # all five of them may have to start on a busy machine


class Shown(NamedTuple):
    code: int
    stdout: str
    stderr: str
    left: list[str]


def _run(arguments: str, folder: Path) -> Shown:
    folder.mkdir()
    ran = subprocess.run(
        [sys.executable, "-m", "services.console", *arguments.split()],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    left = sorted(path.name for path in folder.iterdir())
    return Shown(ran.returncode, ran.stdout, ran.stderr, left)


@pytest.fixture(scope="module")
def shows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Shown]]]:
    folder = tmp_path_factory.mktemp("shows")
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {
            name: pool.submit(_run, arguments, folder / name)
            for name, arguments in COMMANDS.items()
        }
        pool.shutdown(cancel_futures=True)


def shown(shows: dict[str, Future[Shown]], name: str) -> Shown:
    found = shows[name].result()
    assert found.code == 0, found.stderr
    assert found.left == []
    return found


def figures(found: Shown, *more: str) -> dict[str, Any]:
    """Return the figures of a bench: one line of JSON, with these names and no others."""
    (line,) = found.stdout.splitlines()
    read: dict[str, Any] = json.loads(line)
    assert set(read) == {*ALONE, *more}
    assert all(read[name] > 0 for name in ("copy_per_second", "single_per_second", "peak_rss_mb"))
    assert all(read[name] > 0 for name in TIMES if name in read)
    return read


def test_the_demo_plays_two_months_and_shows_what_came_of_them(
    shows: dict[str, Future[Shown]],
) -> None:
    found = shown(shows, "demo")

    for step in (
        "December's customers sign up: 18 events, 18 ledger lines",
        "January 1 to 10: signups, payments, ticks: 13 events",
        "January 11 to 20: signups, payments, ticks: 17 events",
        "January 21 to 31: signups, payments, ticks: 19 events",
        "1 February: a new month for everyone: 1 event, 11 ledger lines, 11 notices",
    ):
        assert step in found.stderr
    rows = [line.split() for line in found.stdout.splitlines()]
    assert "c-00001  Karim 1  +8801700000001" in found.stdout
    assert [
        "2026-02", "2026-02-01", "2026-03-01", "1043.23", "1000.00", "0.00", "155.00", "1155.00",
        "0.00", "2198.23",
    ] in rows  # fmt: skip
    assert "the whole ISP, a row per period" in found.stdout
    assert ["2025-12", "18", "17101.56", "3155.00", "13946.56", "18.4"] in rows
    assert ["2026-01", "20", "29156.28", "17515.00", "25587.84", "60.1"] in rows
    assert ["2026-02", "11", "21367.50", "0.00", "30290.08", "0.0"] in rows
    assert "from 68 commands in" in found.stdout
    assert "Next: keep a fleet with `rollforward up" in found.stdout


def test_a_bill_run_is_measured_to_its_last_line_and_its_last_notice(
    shows: dict[str, Future[Shown]],
) -> None:
    found = shown(shows, "bill-run")

    read = figures(found, "customers", "age", "workers", "notices_seconds")
    assert (read["bench"], read["units"], read["customers"], read["age"]) == ("bill-run", 2, 2, 2)
    assert read["workers"] == ONE_OF_EACH
    assert read["notices_seconds"] >= read["seconds"] > 0
    assert "2 customers of 2 periods" in found.stderr


def test_payments_are_measured_after_the_first_batch(shows: dict[str, Future[Shown]]) -> None:
    found = shown(shows, "payments")

    read = figures(found, "customers", "age", "workers")
    assert (read["bench"], read["customers"], read["age"]) == ("payments", 2, 1)
    assert read["workers"] == {"collector": 1}
    assert 0 <= read["units"] < 3
    assert ("measure more payments" in found.stderr) == (read["units"] == 0)


def test_a_single_payment_is_timed_beside_a_bare_loop(shows: dict[str, Future[Shown]]) -> None:
    read = figures(shown(shows, "latency"), *TIMES, "age")

    assert (read["bench"], read["units"], read["age"]) == ("latency", 21, 1), "20 warm up"


def test_a_cascade_is_timed_beside_a_bare_insert_and_a_payment(
    shows: dict[str, Future[Shown]],
) -> None:
    read = figures(shown(shows, "cascade"), *TIMES, "head_payment_p50_ms", "age")

    assert (read["bench"], read["units"], read["age"]) == ("cascade", 42, 2), "20 warm up"
    assert read["head_payment_p50_ms"] > 0
