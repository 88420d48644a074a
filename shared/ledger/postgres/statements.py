"""Statements by name: each file in `sql/` has one, and is read once. Private to this folder.

`:line_columns(ALIAS)` in a statement is replaced by the columns of `Line` in order, each as
`ALIAS.column`, so that only `Line` lists them; where a null stands for a value, that value is
read. `:line_columns_as_stored(ALIAS)` puts customer_id, recorded_at and hash before the others,
and gives nulls as they are.
"""

import re
from functools import cache
from importlib.resources import files

from shared.ledger.line import Line

_LINE_COLUMNS = re.compile(r":line_columns(_as_stored)?\((\w+)\)")
FIRST = ("customer_id", "recorded_at", "hash")


@cache
def sql(name: str) -> str:
    """Return the text of `sql/NAME.sql`; the file's first line says what it is for."""
    text = files("shared.ledger.postgres").joinpath("sql", f"{name}.sql").read_text("utf-8")
    return _LINE_COLUMNS.sub(lambda found: line_columns(found[2], bool(found[1])), text)


NULL_IS = {
    "made_on": "{0}.coverage_from",
    "asked_on": "{0}.coverage_from",
    "gifts": "{0}.granted_discount + {0}.granted_vat",
    "gifts_vat": "{0}.granted_vat",
}
"""What a column of a line means where it is null (schema.sql)."""


def line_columns(alias: str, as_stored: bool = False) -> str:
    """Return the columns of a line for a SELECT: "line.customer_id, line.seq, ...". With
    `as_stored` nulls stay as they are stored."""
    if as_stored:
        names = (*FIRST, *(name for name in Line._fields if name not in FIRST))
        return ", ".join(f"{alias}.{name}" for name in names)
    return ", ".join(_column(alias, name) for name in Line._fields)


def _column(alias: str, name: str) -> str:
    if name not in NULL_IS:
        return f"{alias}.{name}"
    return f"coalesce({alias}.{name}, {NULL_IS[name].format(alias)}) AS {name}"
