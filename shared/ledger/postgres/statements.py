"""The SQL of the house by name: one statement a file in `sql/`, read once."""

from functools import cache
from importlib.resources import files


@cache
def sql(name: str) -> str:
    """Return the text of `sql/NAME.sql`; the file's first line says what it is for."""
    return files("shared.ledger.postgres").joinpath("sql", f"{name}.sql").read_text("utf-8")
