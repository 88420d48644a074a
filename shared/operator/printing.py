"""How answers look: aligned columns for people, JSON for programs, progress on stderr."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import click

SPACE = "  "


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]], zone: ZoneInfo | None = None) -> str:
    """Return rows under their heads in aligned columns: numbers and amounts to the right.

    Instants are shown in `zone`, which is needed where there are any.
    """
    raw = [list(row) for row in rows]
    texts = [[shown(value, zone) for value in row] for row in raw]
    widths = [max(len(text) for text in column) for column in zip(heads, *texts, strict=True)]
    right = [
        any(_counts(row[at]) for row in raw) and all(_counts(row[at], True) for row in raw)
        for at in range(len(heads))
    ]
    lines = []
    for row in [list(heads), *texts]:
        cells = zip(row, widths, right, strict=True)
        lines.append(
            SPACE.join(text.rjust(wide) if r else text.ljust(wide) for text, wide, r in cells)
        )
    return "\n".join(line.rstrip() for line in lines)


def shown(value: Any, zone: ZoneInfo | None = None) -> str:
    """Return a value as a person reads it; an instant as 2026-02-01 09:00:00+06:00, in `zone`."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        assert zone is not None, "people read instants in the business zone"
        return value.astimezone(zone).isoformat(sep=" ", timespec="seconds")
    return str(value)


def print_table(
    heads: Sequence[str], rows: Iterable[Sequence[Any]], zone: ZoneInfo | None = None
) -> None:
    click.echo(table(heads, rows, zone))


def print_json(value: Any) -> None:
    """Print a value as JSON: amounts as strings of two decimals, days and instants as ISO 8601.

    Instants of the book stay in UTC, as programs want them.
    """
    click.echo(json.dumps(value, default=_as_json, ensure_ascii=False, indent=2))


def plain(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of the database as dicts, in the order of their columns."""
    return [dict(row) for row in rows]


def progress(text: str) -> None:
    """Print on stderr what is being done."""
    click.echo(text, err=True)


class Counter:
    """A count on stderr that is rewritten in place on a terminal, and silent elsewhere."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._live = sys.stderr.isatty()

    def __call__(self, count: int, total: int | None = None) -> None:
        if self._live:
            of = "" if total is None else f" of {total:,}"
            click.echo(f"\r{count:,}{of} {self._what} ", nl=False, err=True)

    def done(self) -> None:
        if self._live:
            click.echo("\r\033[K", nl=False, err=True)


def _counts(value: Any, or_absent: bool = False) -> bool:
    if value is None:
        return or_absent
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _as_json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} cannot be printed as JSON")
