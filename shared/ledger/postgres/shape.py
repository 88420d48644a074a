"""Checks that this release can work on a book: its migrations, tables, functions and rights.

The expected shape is in `shape.json`: what `sql/shape.sql` returns for a freshly migrated book. A
test compares the two, and can rewrite the file.
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
"""A migration with this in its name removes what earlier releases need."""
REINDEXING = re.compile(r"^unique index \S+_cc(new|old)\d* of ")
"""The second index that REINDEX CONCURRENTLY creates, and leaves behind if it is interrupted."""
LOST_LOCK = re.compile(r"book_lock\.(bucket|telling)_\d+ is missing$")
"""A lock of a bucket; `rollforward migrate` creates it again."""
ADDED = ("column ", "function ", "sequence ")
"""Kinds of objects that do no harm if somebody has added one."""
WIDER = {"smallint": ("integer", "bigint"), "integer": ("bigint",)}


class BookDiffers(Exception):
    """This release cannot work on the book. The cause is no customer's data, so no customer is
    quarantined, and waiting does not help: the worker exits. The message says what to do."""


Shape = Mapping[str, str]
"""The definition of each object in schema book, by name: `column book.line.seq` is `integer NOT
NULL`. A name begins with the kind of object."""


@cache
def wanted() -> Shape:
    """Return the shape that the migrations of this release lead to."""
    text = files("shared.ledger.postgres").joinpath("shape.json").read_text("utf-8")
    return {name: flat(fact) for name, fact in json.loads(text).items()}


async def shape_of(connection: asyncpg.Connection, tables: Collection[str] | None = None) -> Shape:
    """Return the actual shape of the book; `tables` limits it to these, named as in shape.json."""
    rows = await connection.fetch(sql("shape"), tables)
    return {row["what"]: flat(row["fact"]) for row in rows}


def flat(fact: str) -> str:
    """Return a definition with `(a AND b) AND c` written as `a AND b AND c`, and OR likewise.

    PostgreSQL prints such brackets for BETWEEN, but not after a dump and restore. The definitions
    are the same nevertheless.
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
        return fact  # unbalanced brackets: not a definition that we know
    return _joined(opened[0])


_WORDS = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|[()]|\w+|\s+|[^\w\s()'"]+|['"]""")
_Part = str | list[Any]
_CHAINS = ("AND", "OR")


def _joined(parts: list[_Part]) -> str:
    """Join the parts within one pair of brackets. In a chain of ANDs only, or of ORs only, omit the
    brackets around members that are chains of the same kind."""
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
    """Return the word of _CHAINS that joins these parts; None if there is none, or both."""
    found = {part for part in parts if part in _CHAINS}
    return str(found.pop()) if len(found) == 1 else None


def _is_end(beside: list[_Part], chain: str | None, near: int) -> bool:
    """Return whether a member of the chain ends here: next to it is nothing, or the chain's
    word."""
    words = [part for part in beside if not (isinstance(part, str) and part.isspace())]
    return not words or words[near] == chain


@cache
def append_only() -> list[str]:
    """Return the append-only tables: those with a trigger that refuses changes."""
    found = {
        name.partition(" of book.")[2]
        for name, fact in wanted().items()
        if name.startswith("trigger ") and "refuse_change()" in fact
    }
    return sorted(found)


async def expect_migrated(connection: asyncpg.Connection) -> list[str]:
    """Return the migrations of the book that this release does not know.

    Raises BookDiffers if the book lacks a migration of this release, or if a later one has removed
    what this release needs. All other later migrations only add (expand and contract), and this
    release works with them.
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
    """Like `expect_migrated`, but also compare the shape and check the guards.

    Called for each new connection, every few seconds, and before a customer is quarantined: an
    error caused by a changed schema is not the fault of a customer's data.
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
    """Yield what differs from this release's schema. Additional columns and wider integers do no
    harm."""
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
    """Yield what this release needs and does not find in a book that a later release has migrated.
    Constraints, triggers and functions may differ there."""
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
    """Return the type and collation of a column; for a table, its whole definition."""
    return re.split(" (?:NOT NULL|DEFAULT|GENERATED)", fact)[0]


def _required(fact: str) -> bool:
    return " NOT NULL" in fact and " DEFAULT " not in fact and " GENERATED " not in fact


def _listed(names: Collection[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(list(names)[:most]) + more
