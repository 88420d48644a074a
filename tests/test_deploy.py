"""What is read at night must be right: alerts, their pages, and what the pages tell to type."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from prometheus_client import REGISTRY, Counter, Gauge, Histogram, Metric

from services.console.main import main
from shared.runtime import metrics
from shared.schemas.topics import INBOUND

DEPLOY = Path(__file__).parents[1] / "deploy"
ALERTS = (DEPLOY / "alerts.yml").read_text("utf-8")
RUNBOOK = (DEPLOY / "runbook.md").read_text("utf-8")
COMMANDS = sorted(set(re.findall(r"`rollforward (\w[^`]*)`", RUNBOOK)))


def families() -> Iterator[Metric]:
    """Yield what a worker may show: the catalogue, and what the client adds."""
    yield from REGISTRY.collect()
    for each in vars(metrics).values():
        if isinstance(each, Gauge | Counter | Histogram):
            yield from each.collect()


def shown() -> set[str]:
    """Return the names that a worker shows, by the catalogue."""
    suffixes = {"counter": ("_total",), "histogram": ("", "_bucket", "_sum", "_count")}
    return {
        family.name + suffix for family in families() for suffix in suffixes.get(family.type, ("",))
    }


def test_each_alert_has_its_page_and_each_page_its_alert() -> None:
    alerts = re.findall(r"- alert: (\w+)", ALERTS)
    pages = re.findall(r"^## (\w+)", RUNBOOK, re.MULTILINE)
    assert sorted(alerts) == sorted(pages)
    assert re.findall(r"runbook\.md#(\w+)", ALERTS) == [alert.lower() for alert in alerts]


def test_alerts_and_pages_name_what_workers_show() -> None:
    named = re.findall(r"\b(?:billing|process)_\w+", ALERTS)
    named += re.findall(r"\bbilling_\w+", RUNBOOK)
    assert set(named) - shown() == set()


def test_of_each_series_that_goes_with_its_worker_the_absence_is_an_alert() -> None:
    gauges = {family.name for family in families() if family.type == "gauge"}
    of_ours = {name for name in re.findall(r"\bbilling_\w+", ALERTS) if name in gauges}
    assert of_ours == set(re.findall(r"absent(?:_over_time)?\((billing_\w+)", ALERTS))
    named = re.findall(r'absent\w*\((billing_\w+)[^)]*\), "series", "(\w+)"', ALERTS)
    assert len(named) == len(of_ours)
    assert all(absent == told for absent, told in named)


def test_dead_letters_are_counted_from_nought_so_that_the_first_is_a_rise() -> None:
    counted = {
        sample.labels["topic"] for each in metrics.DEAD_LETTERS.collect() for sample in each.samples
    }
    assert counted >= {topic.name for topic in INBOUND}


@pytest.mark.parametrize("typed", COMMANDS)
def test_what_a_page_tells_to_type_can_be_typed(typed: str) -> None:
    command: click.Command = main
    words = typed.replace("DATE", "2026-02-01").split()
    while isinstance(command, click.Group) and not (
        command.invoke_without_command and (not words or words[0].startswith("-"))
    ):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None
        command = found
    command.make_context(typed, words)
