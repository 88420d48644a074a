"""The SQL of the house by name: one statement a file in `sql/`, read once. Private to this folder.

`:line_columns(ALIAS)` in a statement stands for every column of `Line` in its order, each as
`ALIAS.column`: so the columns of a line are listed in `Line` alone.
"""

import re
from functools import cache
from importlib.resources import files

from shared.ledger.line import Line

_LINE_COLUMNS = re.compile(r":line_columns\((\w+)\)")


@cache
def sql(name: str) -> str:
    """Return the text of `sql/NAME.sql`; the file's first line says what it is for."""
    text = files("shared.ledger.postgres").joinpath("sql", f"{name}.sql").read_text("utf-8")
    return _LINE_COLUMNS.sub(lambda found: line_columns(found[1]), text)


def line_columns(alias: str) -> str:
    """Return the columns of a line for a SELECT: "line.customer_id, line.seq, ..."."""
    return ", ".join(f"{alias}.{name}" for name in Line._fields)
