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
    "idle": "bench idle --lines 60 --periods 3 --seconds 0.5",
    "aged": "bench aged --customers 3 --count 3 --periods 1 --periods 2 --copies 1",
    "verify": "bench verify --lines 60 --periods 3 --paid 100",
    "seal": "bench seal --lines 60 --new-lines 4 --periods 3 --paid 100",
}
MACHINE = ("load_average", "quiet")
ALONE = ("bench", "units", "seconds", "per_second", "copy_per_second", "ratio",
         "single_per_second", "peak_rss_mb", *MACHINE)  # fmt: skip
TIMES = ("p50_ms", "p99_ms", "bare_p50_ms")
ONE_OF_EACH = dict.fromkeys(("coordinator", "generator", "collector", "notifier", "relay"), 1)

pytestmark = pytest.mark.timeout(1200)  # all of them may have to start on a busy machine


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
    """Return the figures of a bench that writes lines: besides those of all these, no others."""
    (read,) = all_figures(found, *ALONE, *more)
    assert all(read[name] > 0 for name in ("copy_per_second", "single_per_second", "peak_rss_mb"))
    assert all(read[name] > 0 for name in TIMES if name in read)
    return read


def all_figures(found: Shown, *names: str) -> list[dict[str, Any]]:
    """Return the figures of a bench, a line of JSON a run, each with these names and no others."""
    read: list[dict[str, Any]] = [json.loads(line) for line in found.stdout.splitlines()]
    for each in read:
        assert set(each) == set(names)
        assert each["quiet"] is (each["load_average"] < 2)
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
        "2026-02", "2026-02-01", "2026-03-01", "1043.23", "1155.00", "0.00", "2198.23",
    ] in rows  # fmt: skip
    assert "the whole ISP, a row per period" in found.stdout
    assert ["2025-12", "18", "17235.68", "3155.00", "14080.68", "18.3"] in rows
    assert ["2026-01", "20", "29618.28", "17515.00", "26183.96", "59.1"] in rows
    assert ["2026-02", "11", "21829.50", "0.00", "31348.20", "0.0"] in rows
    assert "from 68 commands in" in found.stdout
    assert "Next: keep a fleet with `rollforward up" in found.stdout


def test_a_bill_run_is_measured_to_its_last_line_and_its_last_notice(
    shows: dict[str, Future[Shown]],
) -> None:
    found = shown(shows, "bill-run")

    told = ("ledger_seconds", "notices_seconds", "entitlements_seconds")
    read = figures(found, "customers", "age", "workers", "documents_seconds", "told_seconds", *told)
    assert (read["bench"], read["units"], read["customers"], read["age"]) == ("bill-run", 2, 2, 2)
    assert read["workers"] == ONE_OF_EACH
    assert read["seconds"] > 0
    assert min(read["ledger_seconds"], read["notices_seconds"]) > 0
    assert read["told_seconds"] == max(read[name] or 0 for name in told)
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


def test_a_fleet_at_rest_is_measured_on_an_empty_book_and_on_a_full_one(
    shows: dict[str, Future[Shown]],
) -> None:
    each = ("by_process", "by_process_empty")
    (read,) = all_figures(
        shown(shows, "idle"),
        *("bench", "lines", "cpu_percent", "cpu_percent_empty", "seconds"),
        *(*each, *MACHINE),
    )

    assert (read["bench"], read["seconds"]) == ("idle", 0.5)
    assert 50 <= read["lines"] <= 70
    for name in each:
        assert set(read[name]) == {"PostgreSQL", *ONE_OF_EACH}, "Kafka is left out"
        assert all(percent >= 0 for percent in read[name].values())
    assert read["cpu_percent"] > 0


def test_one_book_is_measured_at_two_ages(shows: dict[str, Future[Shown]]) -> None:
    read = all_figures(
        shown(shows, "aged"),
        *("bench", "periods", "customers", "lines", "run_per_second", "payments_per_second"),
        *("statement_ms", "explain_ms", "notice_ms", "workers", *MACHINE),
    )

    assert [(each["bench"], each["periods"]) for each in read] == [("aged", 1), ("aged", 2)]
    for each in read:
        assert each["customers"] == 3
        assert each["run_per_second"] > 0
        assert min(each[f"{name}_ms"] for name in ("statement", "explain", "notice")) > 0
    assert read[0]["lines"] < read[1]["lines"]


def test_verifying_is_measured_in_lines_a_second(shows: dict[str, Future[Shown]]) -> None:
    (read,) = all_figures(
        shown(shows, "verify"),
        *(
            "bench",
            "lines",
            "customers",
            "periods",
            "seconds",
            "per_second",
            "cores",
            *MACHINE,
            "cpu_us_per_line",
        ),
    )

    assert (read["bench"], read["lines"], read["customers"]) == ("verify", 60, 10)
    assert min(read["per_second"], read["cpu_us_per_line"]) > 0


def test_a_seal_is_measured_after_few_new_lines(shows: dict[str, Future[Shown]]) -> None:
    (read,) = all_figures(
        shown(shows, "seal"),
        *("bench", "lines", "new_lines", "seconds", "first_seconds", *MACHINE),
    )

    assert (read["bench"], read["lines"], read["new_lines"]) == ("seal", 64, 4)
    assert min(read["seconds"], read["first_seconds"]) > 0
