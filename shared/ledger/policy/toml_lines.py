"""The line of each key of a TOML text; tomllib gives lines for syntax errors only."""

import tomllib
from typing import Any

Path = tuple[str | int, ...]
"""The place of a value: ("tax", 1, "rate") is the key `rate` of the second `[[tax]]`."""


def lines_of_keys(source: str) -> dict[Path, int]:
    """Return the line, from 1, on which each table and each key of a valid TOML text starts.

    The text is cut into statements: each is the fewest lines that tomllib can read on their own.
    So strings and lists of several lines work.
    """
    lines: dict[Path, int] = {(): 1}
    table: Path = ()
    statement, starts = "", 1
    for number, text in enumerate(source.split("\n"), start=1):
        if not statement:
            starts = number
        statement += text + "\n"
        try:
            found = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        if statement.lstrip().startswith("["):
            table = _opened(found, lines)
            for steps in range(1, len(table) + 1):  # [[tax]] opens the list of them too
                lines.setdefault(table[:steps], starts)
        else:
            _note(found, table, starts, lines)
        statement = ""
    return lines


def line_of(path: Path, lines: dict[Path, int]) -> int:
    """Return the line of a path, or of the nearest part around it that has a line."""
    while path not in lines:
        path = path[:-1]
    return lines[path]


def _opened(header: dict[str, Any], lines: dict[Path, int]) -> Path:
    """Return the path of the table that a header opens; `[[tax]]` opens the next of its list."""
    path: Path = ()
    found: Any = header
    while found:
        if isinstance(found, list):
            path, found = (*path, _count(path, lines)), found[0]
            continue
        [(name, found)] = found.items()
        path = (*path, name)
        if not isinstance(found, list) and (count := _count(path, lines)):
            path = (*path, count - 1)
    return path


def _count(path: Path, lines: dict[Path, int]) -> int:
    return sum(1 for known in lines if known[:-1] == path and isinstance(known[-1], int))


def _note(found: Any, path: Path, line: int, lines: dict[Path, int]) -> None:
    """Note the line of a value and of all that it holds, inline tables and lists included."""
    if path:
        lines.setdefault(path, line)
    if isinstance(found, dict):
        for name, inner in found.items():
            _note(inner, (*path, name), line, lines)
    elif isinstance(found, list):
        for index, inner in enumerate(found):
            _note(inner, (*path, index), line, lines)
