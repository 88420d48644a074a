"""Pages that are partly written by hand and partly generated.

A generated part stands between `<!-- begin NAME -->` and `<!-- end NAME -->`; all else on the page
is written by hand and stays as it is.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

PART = re.compile(r"(<!-- begin (\S+) -->\n).*?(<!-- end \2 -->\n)", re.DOTALL)


def filled(page: str, parts: Mapping[str, str]) -> str:
    """Return a page with its generated parts written anew.

    ValueError when the page lacks one of the parts, or has one that is not given.
    """
    there = [match[2] for match in PART.finditer(page)]
    if sorted(there) != sorted(parts):
        differs = sorted(set(there) ^ set(parts)) or sorted(there)
        raise ValueError(f"the page and its generated parts differ in {', '.join(differs)}")
    return PART.sub(lambda found: f"{found[1]}\n{parts[found[2]].strip()}\n\n{found[3]}", page)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; a `|` within a cell is escaped."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def code(language: str, text: str) -> str:
    return f"```{language}\n{text.strip()}\n```"


def anchor(heading: str) -> str:
    """Return the anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
