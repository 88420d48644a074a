"""Whether a book is one that this release works on: its migrations, tables, functions and rights.

What is wanted stands in `shape.json`: what `sql/shape.sql` reads of a freshly migrated book. A test
compares the two, and writes the file anew where it is asked to.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import asyncpg

from shared.ledger.postgres.health import rights, set_back, unguarded
from shared.ledger.postgres.migrate import steps
from shared.ledger.postgres.statements import sql

CONTRACT = ".contract."
"""A migration with this in its name takes away what releases before it need."""
REINDEXING = re.compile(r"^unique index \S+_cc(new|old)\d* of ")
"""The second index that REINDEX CONCURRENTLY has while it works, and leaves where it is ended."""
LOST_LOCK = re.compile(r"book_lock\.(bucket|telling)_\d+ is missing$")
"""A lock of a bucket, which `rollforward migrate` makes anew."""
ADDED = ("column ", "function ", "sequence ")
"""Kinds of things that do no harm where somebody has added one."""
WIDER = {"smallint": ("integer", "bigint"), "integer": ("bigint",)}


class BookDiffers(Exception):
    """The book is not one that this release works on. That is nobody's data, so nobody is set
    apart for it, and no waiting mends it: a worker ends. The message says what to do."""


Shape = Mapping[str, str]
"""What each thing in schema book is: `column book.line.seq` an `integer NOT NULL`. A name begins
with the kind of thing."""


@cache
def wanted() -> Shape:
    """Return the shape that the migrations of this release lead to."""
    text = files("shared.ledger.postgres").joinpath("shape.json").read_text("utf-8")
    return {name: flat(fact) for name, fact in json.loads(text).items()}


async def shape_of(connection: asyncpg.Connection, tables: Collection[str] | None = None) -> Shape:
    """Return the shape of the book as it is; `tables` are those wanted, by their names there."""
    rows = await connection.fetch(sql("shape"), tables)
    return {row["what"]: flat(row["fact"]) for row in rows}


def flat(fact: str) -> str:
    """Return a definition in which `(a AND b) AND c` is `a AND b AND c`, and OR likewise.

    PostgreSQL keeps such brackets from BETWEEN, and loses them where it reads its own text again: a
    book that pg_dump has written is the same book.
    """
    opened: list[list[_Part]] = [[]]
    for word in _WORDS.findall(fact):
        if word == "(":
            opened.append([])
        elif word == ")" and len(opened) > 1:
            inner = opened.pop()
            opened[-1].append(inner)
        else:
            opened[-1].append(word)
    if len(opened) > 1:
        return fact  # brackets that do not match: no definition that we know
    return _joined(opened[0])


_WORDS = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|[()]|\w+|\s+|[^\w\s()'"]+|['"]""")
_Part = str | list[Any]
_CHAINS = ("AND", "OR")


def _joined(parts: list[_Part]) -> str:
    """Write the parts of one pair of brackets; of a chain of ANDs alone, or of ORs, without the
    brackets around links that are such chains themselves."""
    chain = _chain(parts)
    text = ""
    for at, part in enumerate(parts):
        if isinstance(part, str):
            text += part
            continue
        is_link = _is_end(parts[:at], chain, -1) and _is_end(parts[at + 1 :], chain, 0)
        inner = _joined(part)
        text += inner if chain and is_link and _chain(part) == chain else f"({inner})"
    return text


def _chain(parts: list[_Part]) -> str | None:
    """Return the one word of _CHAINS that stands between these parts; None where it is not one."""
    found = {part for part in parts if part in _CHAINS}
    return str(found.pop()) if len(found) == 1 else None


def _is_end(beside: list[_Part], chain: str | None, near: int) -> bool:
    """Whether a link of the chain ends here: beside it is nothing, or the chain's word."""
    words = [part for part in beside if not (isinstance(part, str) and part.isspace())]
    return not words or words[near] == chain


@cache
def append_only() -> list[str]:
    """Return the tables whose rows are for ever: those with a trigger that refuses changes."""
    found = {
        name.partition(" of book.")[2]
        for name, fact in wanted().items()
        if name.startswith("trigger ") and "refuse_change()" in fact
    }
    return sorted(found)


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
    names = [name for name, _ in steps()]
    missing = [name for name in names if name not in known]
    if missing:
        raise BookDiffers(
            f"the book is older than this release and lacks {_listed(missing)}:"
            " run `rollforward migrate`"
        )
    ahead = sorted(known - set(names))
    if contracts := [name for name in ahead if CONTRACT in name]:
        raise BookDiffers(
            f"the book is newer than this release: {_listed(contracts)} took away what the release"
            " needs; run the release that brought it"
        )
    return ahead


async def expect_fit(connection: asyncpg.Connection) -> list[str]:
    """Return as `expect_migrated`, having compared the shape and the guards too.

    Asked of each new connection, every few seconds, and before a customer is set apart: what
    somebody changed by hand is nobody's data.
    """
    ahead = await expect_migrated(connection)
    tables = [each for each in wanted() if each.startswith("table ")]
    found = await shape_of(connection, tables)
    wrong = [*_lacking(found)] if ahead else [*_differing(found)]
    if not wrong:
        holes = [
            *await rights(connection, tables, append_only()),  # causes first
            *await unguarded(connection, append_only()),
            *await set_back(connection),
        ]
        wrong = [f"{hole.table} {hole.lacks}" for hole in holes]
    if wrong:
        raise BookDiffers(
            f"the book was changed by hand: {_listed(wrong)}. That is nobody's data: nobody is set"
            f" apart for it. {_advice(wrong)}"
        )
    return ahead


def _advice(wrong: Collection[str]) -> str:
    if all(LOST_LOCK.match(each) for each in wrong):
        return "Run `rollforward migrate`, which makes them"
    return "Put it back as shared/ledger/postgres/schema.sql has it"


def _differing(found: Shape) -> Iterator[str]:
    """Name what is not as this release made it. A column more, and a wider integer, do no harm."""
    for name, fact in wanted().items():
        there = found.get(name)
        if there is None:
            yield f"{name} is missing"
        elif there != fact and not _widened(fact, there):
            yield f"{name} {_is_not(name, there, fact)}"
    for name in sorted(found.keys() - wanted().keys()):
        if not name.startswith(ADDED) and not REINDEXING.search(name):
            yield f"{name} is not known to this release: {found[name]}"
    yield from _must_be_given(found)


def _lacking(found: Shape) -> Iterator[str]:
    """Name what this release needs of a book that a later one has migrated, which may have its own
    constraints, triggers and functions."""
    for name, fact in wanted().items():
        there = found.get(name, "")
        if name.startswith(("table ", "column ")):
            if not there:
                yield f"{name} is missing"
            elif _type(there) != _type(fact) and not _widened(_type(fact), _type(there)):
                yield f"{name} {_is_not(name, there, fact)}"
            elif _required(there) and not _required(fact):
                yield f"{name} must be given by now: it is {there}"
        elif name.startswith("sequence ") and there and there != fact:
            yield f"{name} {_is_not(name, there, fact)}"
    yield from _must_be_given(found)


def _must_be_given(found: Shape) -> Iterator[str]:
    for name in sorted(found.keys() - wanted().keys()):
        if name.startswith("column ") and _required(found[name]):
            yield f"{name} must be given and is not known to this release"


def _is_not(name: str, there: str, fact: str) -> str:
    return "differs" if name.startswith("function ") else f"is {there}, not {fact}"


def _widened(fact: str, there: str) -> bool:
    type_, _, rest = fact.partition(" ")
    return any(f"{wider} {rest}".strip() == there for wider in WIDER.get(type_, ()))


def _type(fact: str) -> str:
    """Return the type and collation of a column; of a table all that it is."""
    return re.split(" (?:NOT NULL|DEFAULT|GENERATED)", fact)[0]


def _required(fact: str) -> bool:
    return " NOT NULL" in fact and " DEFAULT " not in fact and " GENERATED " not in fact


def _listed(names: Collection[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(list(names)[:most]) + more
