"""Whether a book is one that this release works on: its migrations, columns and functions.

What is wanted is read from the migrations' names and from `schema.sql`, so nothing else lists it.
"""

import re
from collections.abc import Collection
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import asyncpg

from shared.ledger.postgres.migrate import steps
from shared.ledger.postgres.statements import sql

CONTRACT = ".contract."
"""A migration with this in its name takes away what releases before it need."""

_TABLE = re.compile(r"^CREATE TABLE book\.(\w+) \(\n(.*?)^\);", re.MULTILINE | re.DOTALL)
_COLUMN = re.compile(
    r"^    ([a-z_]+) ([a-z0-9 \[\]]+?(?:\([\d, ]+\))?)(?= [A-Z]|,| --|$)", re.MULTILINE
)
_FUNCTION = re.compile(r"^CREATE FUNCTION book\.(\w+)\(.*?\$\$(.*?)\$\$", re.MULTILINE | re.DOTALL)


class BookDiffers(Exception):
    """The book is not one that this release works on. That is nobody's data, so nobody is set
    apart for it, and no waiting mends it: a worker ends. The message says what to do."""


class Wanted(NamedTuple):
    """What this release needs of a book: columns as (table, column, type), and the bodies of
    functions by name."""

    steps: tuple[str, ...]
    columns: tuple[tuple[str, str, str], ...]
    functions: dict[str, str]


@cache
def wanted() -> Wanted:
    """Read what this release needs: the migrations' names and the page that they lead to."""
    page = files("shared.ledger.postgres").joinpath("schema.sql").read_text("utf-8")
    columns = [
        (table, name, type_)
        for table, body in _TABLE.findall(page)
        for name, type_ in _COLUMN.findall(body)
    ]
    names = tuple(name for name, _ in steps())
    return Wanted(names, tuple(columns), dict(_FUNCTION.findall(page)))


async def expect_migrated(connection: asyncpg.Connection) -> list[str]:
    """Return the migrations of the book that this release does not know.

    Raises BookDiffers when the book lacks one that the release needs, or when a later one has
    taken away what it needs. Any other later migration only adds (expand and contract): the
    release before works on.
    """
    try:
        known = {row["name"] for row in await connection.fetch(sql("migrations_applied"))}
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as none:
        raise BookDiffers("the database holds no book: run `rollforward migrate`") from none
    missing = [name for name in wanted().steps if name not in known]
    if missing:
        raise BookDiffers(
            f"the book is older than this release and lacks {_listed(missing)}:"
            " run `rollforward migrate`"
        )
    ahead = sorted(known - set(wanted().steps))
    if contracts := [name for name in ahead if CONTRACT in name]:
        raise BookDiffers(
            f"the book is newer than this release: {_listed(contracts)} took away what the release"
            " needs; run the release that brought it"
        )
    return ahead


async def expect_fit(connection: asyncpg.Connection) -> list[str]:
    """Return as `expect_migrated`, having compared the columns too."""
    ahead = await expect_migrated(connection)
    columns = zip(*wanted().columns, strict=True)
    rows = await connection.fetch(sql("misshapen"), *(list(each) for each in columns))
    if rows:
        wrong = [f"book.{row['table']}.{row['name']} {row['trouble']}" for row in rows]
        raise BookDiffers(
            f"the book was changed by hand: {_listed(wrong)}; put it back as schema.sql has it"
        )
    return ahead


async def expect_nobodys_fault(connection: asyncpg.Connection) -> None:
    """Raise BookDiffers when trouble may come from the book itself. Asked before a customer is set
    apart, so it compares the functions of triggers too; a later release may have its own."""
    if not await expect_fit(connection):
        found = {row["name"]: row["body"] for row in await connection.fetch(sql("functions"))}
        changed = [f"book.{n}()" for n, body in wanted().functions.items() if found.get(n) != body]
        if changed:
            raise BookDiffers(
                f"the book was changed by hand: {_listed(changed)} differs;"
                " put it back as schema.sql has it"
            )


def _listed(names: Collection[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(list(names)[:most]) + more
