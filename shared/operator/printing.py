"""How answers look: aligned columns for people, JSON for programs, progress on stderr."""

import json
import sys
import textwrap
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import click

SPACE = "  "
INDENT = "    "
WIDTH = 80
"""Characters that a line of a table takes at most."""


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[Any]],
    zone: ZoneInfo | None = None,
    right: Collection[str] = (),
    width: int | None = WIDTH,
) -> str:
    """Return rows under their heads in aligned columns: numbers, and the columns named in `right`,
    to the right. Instants are shown in `zone`, which is needed where there are any.

    Where a row takes more than `width` characters, the columns that do not fit go on below, a
    little to the right, and so do their heads. Only a cell that is wider than that is broken.
    """
    raw = [list(row) for row in rows]
    texts = [list(heads), *([shown(value, zone) for value in row] for row in raw)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    numbers = [
        head in right
        or (
            any(_counts(row[at]) for row in raw)
            and all(_counts(row[at], or_absent=True) for row in raw)
        )
        for at, head in enumerate(heads)
    ]
    parts = _parts(widths, width)
    lines: list[str] = []
    for row in texts:
        for number, part in enumerate(parts):
            cells = zip(row[part], widths[part], numbers[part], strict=True)
            text = SPACE.join(
                text.rjust(wide) if right else text.ljust(wide) for text, wide, right in cells
            ).rstrip()
            indent = INDENT if number else ""
            if width is None or len(indent + text) <= width:
                lines.append(indent + text)
            else:
                lines += wrapped(text, width, indent, 2 * INDENT)
    return "\n".join(lines)


def _parts(widths: Sequence[int], width: int | None) -> list[slice]:
    """Return which columns stand on each line of a row."""
    parts: list[slice] = []
    start, used = 0, 0
    for at, wide in enumerate(widths):
        if width is not None and at > start and used + wide > width:
            parts.append(slice(start, at))
            start, used = at, len(INDENT)
        used += wide + len(SPACE)
    return [*parts, slice(start, len(widths))]


def wrapped(text: str, width: int, first: str = "", later: str = "") -> list[str]:
    """Return a text in lines of at most `width` characters, which begin with `first` and `later`.
    Lines end between words; only a word that is longer than a line is broken."""
    return textwrap.wrap(
        safe(text), width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False
    )


def shown(value: Any, zone: ZoneInfo | None = None) -> str:
    """Return a value as a person reads it; an instant as 2026-02-01 09:00:00+06:00, in `zone`."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        assert zone is not None, "people read instants in the business zone"
        return value.astimezone(zone).isoformat(sep=" ", timespec="seconds")
    return safe(str(value))


def safe(text: str) -> str:
    """Return a text that does nothing to a terminal but show: characters that move, colour, turn
    or break are escaped. Joiners of letters, which Bangla needs, stay."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in "\u200c\u200d" else ascii(each)[1:-1] for each in text
    )


def print_table(
    heads: Sequence[str],
    rows: Iterable[Sequence[Any]],
    zone: ZoneInfo | None = None,
    right: Collection[str] = (),
    width: int | None = WIDTH,
) -> None:
    click.echo(table(heads, rows, zone, right, width))


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


@contextmanager
def working(what: str, every: float = 1.0) -> Iterator[None]:
    """Say on stderr, on a terminal, what is being done and for how long: first after a second, then
    each second in its place (`every` in seconds). The line goes away at the end."""
    if not sys.stderr.isatty():
        yield
        return
    over = threading.Event()

    def count() -> None:
        passed = 0.0
        while not over.wait(every):
            passed += every
            click.echo(f"\r{what} ... {passed:.0f} s ", nl=False, err=True)
        if passed:
            click.echo("\r\033[K", nl=False, err=True)

    thread = threading.Thread(target=count, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


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
