"""How answers look: aligned columns for people, JSON for programs, progress on stderr."""

import json
import re
import sys
import textwrap
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import click

SPACE = "  "
INDENT = "    "
WIDTH = 80
"""Cells of a terminal that a line of a table takes at most."""
AMOUNT = re.compile(r"-?[0-9]+\.[0-9]{2}")
"""An amount, as `decimal` writes it."""


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[Any]],
    zone: ZoneInfo | None = None,
    width: int | None = WIDTH,
) -> str:
    """Return rows under their heads in aligned columns: numbers, and amounts as texts, to the
    right. Instants are shown in `zone`, which is needed where there are any.

    Where a row takes more than `width` cells of a terminal, the columns that do not fit go on
    below, a little to the right, and so do their heads. Only what is wider than that is broken.
    """
    raw = [list(row) for row in rows]
    texts = [list(heads), *([shown(value, zone) for value in row] for row in raw)]
    widths = [max(map(cells, column)) for column in zip(*texts, strict=True)]
    numbers = [
        any(_counts(row[at]) for row in raw)
        and all(_counts(row[at], or_absent=True) for row in raw)
        for at in range(len(heads))
    ]
    parts = _parts(widths, width)
    lines: list[str] = []
    for row in texts:
        for number, part in enumerate(parts):
            shape = zip(row[part], widths[part], numbers[part], strict=True)
            text = SPACE.join(padded(*each) for each in shape).rstrip()
            indent = INDENT if number else ""
            if width is None or cells(indent + text) <= width:
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
    """Return a text in lines of at most `width` cells, which begin with `first` and `later`. Lines
    end between words; only a word that is longer than a line is broken."""
    text = safe(text)
    if not text.isascii():
        return _wrapped_by_cells(text, width, first, later)
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False
    )


def _wrapped_by_cells(text: str, width: int, first: str, later: str) -> list[str]:
    lines, begun = [first], False
    for word in text.split():
        if begun and cells(f"{lines[-1]} {word}") > width:
            lines.append(later)
            begun = False
        lines[-1] += f" {word}" if begun else word
        while cells(lines[-1]) > width:
            fits = beginning(lines[-1], width)
            lines[-1:] = [fits, later + lines[-1][len(fits) :]]
        begun = True
    return lines


def cells(text: str) -> int:
    """Return how many cells of a terminal a text takes: East Asian wide characters two, marks
    above and below letters none."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def padded(text: str, width: int, right: bool = False) -> str:
    """Return a text with the spaces that fill `width` cells; before it if it goes to the right."""
    spaces = " " * (width - cells(text))
    return spaces + text if right else text + spaces


def beginning(text: str, width: int) -> str:
    """Return the beginning of a text that takes at most `width` cells."""
    used = 0
    for at, character in enumerate(text):
        used += _cells(character)
        if used > width:
            return text[:at]
    return text


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
    width: int | None = WIDTH,
) -> None:
    click.echo(table(heads, rows, zone, width))


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
    if isinstance(value, str):
        return AMOUNT.fullmatch(value) is not None
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _as_json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} cannot be printed as JSON")
